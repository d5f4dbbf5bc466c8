package dev.weir.engine.text.jinja;

/**
 * An error as Python would raise it, on its way to {@link Template#render}, which adds the place
 * and makes a {@link TemplateRuntimeException} of it. It carries no stack trace: a server may see
 * many.
 */
final class PythonError extends RuntimeException {

  private PythonError(String type, String message) {
    super(type + ": " + message, null, false, false);
  }

  static PythonError type(String message) {
    return new PythonError("TypeError", message);
  }

  static PythonError value(String message) {
    return new PythonError("ValueError", message);
  }

  static PythonError undefined(String message) {
    return new PythonError("UndefinedError", message);
  }

  static PythonError security(String message) {
    return new PythonError("SecurityError", message);
  }

  static PythonError overflow(String message) {
    return new PythonError("OverflowError", message);
  }

  static PythonError zeroDivision(String message) {
    return new PythonError("ZeroDivisionError", message);
  }

  static PythonError index(String message) {
    return new PythonError("IndexError", message);
  }

  static PythonError key(String message) {
    return new PythonError("KeyError", message);
  }

  /** An error of Jinja's own rather than of Python's. */
  static PythonError template(String message) {
    return new PythonError("TemplateRuntimeError", message);
  }

  static PythonError filterArgument(String message) {
    return new PythonError("FilterArgumentError", message);
  }
}
