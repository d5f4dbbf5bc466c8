package dev.weir.engine.text.jinja;

import java.util.Iterator;

/** A sequence made on demand and consumed once, such as what the {@code map} filter gives. */
record Generator(String typeName, Iterator<Object> iterator) {

  Generator(Iterator<Object> iterator) {
    this("generator", iterator);
  }
}
