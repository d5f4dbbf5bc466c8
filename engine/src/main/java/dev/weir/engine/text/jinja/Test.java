package dev.weir.engine.text.jinja;

/** What {@code value is name(arguments)} asks. */
@FunctionalInterface
interface Test {

  boolean holds(Object value, Arguments arguments, Evaluator evaluator);
}
