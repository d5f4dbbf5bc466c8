package dev.weir.engine.text.jinja;

/** Python's {@code None}, so that no Java null travels through the interpreter. */
enum None {
  NONE
}
