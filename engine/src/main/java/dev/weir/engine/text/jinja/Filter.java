package dev.weir.engine.text.jinja;

/** What <code>value | name(arguments)</code> does. */
@FunctionalInterface
interface Filter {

  Object apply(Object value, Arguments arguments, Evaluator evaluator);
}
