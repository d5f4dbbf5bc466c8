package dev.weir.engine.text.jinja;

/** A value that a template can call. */
interface Callable {

  /** Its name in messages. */
  String name();

  Object call(Arguments arguments, Evaluator evaluator);
}
