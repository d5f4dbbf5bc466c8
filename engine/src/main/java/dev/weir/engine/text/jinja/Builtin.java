package dev.weir.engine.text.jinja;

/** A function of the environment, such as {@code range}. */
record Builtin(String name, Body body) implements Callable {

  /** What the function does. */
  @FunctionalInterface
  interface Body {
    Object call(Arguments arguments, Evaluator evaluator);
  }

  @Override
  public Object call(Arguments arguments, Evaluator evaluator) {
    return body.call(arguments, evaluator);
  }
}
