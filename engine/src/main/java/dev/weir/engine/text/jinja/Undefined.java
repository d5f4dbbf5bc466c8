package dev.weir.engine.text.jinja;

/**
 * What an unknown name, attribute or element evaluates to: it prints as nothing, iterates as
 * nothing and is false; any other use of it is the {@link #error} that says what was missing.
 */
final class Undefined {

  private enum Reason {
    NAME,
    MEMBER,
    UNSAFE,
    HINT
  }

  private final Reason reason;
  private final Object owner;
  private final Object name;

  private Undefined(Reason reason, Object owner, Object name) {
    this.reason = reason;
    this.owner = owner;
    this.name = name;
  }

  static Undefined name(String name) {
    return new Undefined(Reason.NAME, None.NONE, name);
  }

  /** {@code owner} has no attribute (a string) or element (anything else) {@code name}. */
  static Undefined member(Object owner, Object name) {
    return new Undefined(Reason.MEMBER, owner, name);
  }

  /** The attribute exists in Python, but would change a value, which the sandbox forbids. */
  static Undefined unsafe(Object owner, String name) {
    return new Undefined(Reason.UNSAFE, owner, name);
  }

  static Undefined because(String hint) {
    return new Undefined(Reason.HINT, None.NONE, hint);
  }

  PythonError error() {
    return switch (reason) {
      case NAME -> PythonError.undefined("'" + name + "' is undefined");
      case HINT -> PythonError.undefined(name.toString());
      case UNSAFE ->
          PythonError.security(
              "access to attribute '"
                  + name
                  + "' of '"
                  + Values.typeName(owner)
                  + "' object is unsafe.");
      case MEMBER ->
          PythonError.undefined(
              name instanceof String attribute
                  ? "'" + ownerName() + "' has no attribute '" + attribute + "'"
                  : ownerName() + " has no element " + elementName());
    };
  }

  private String ownerName() {
    return owner == None.NONE ? "None" : Values.typeName(owner) + " object";
  }

  private String elementName() {
    return Values.isNumber(name) ? PythonText.number(name) : "of type " + Values.typeName(name);
  }
}
