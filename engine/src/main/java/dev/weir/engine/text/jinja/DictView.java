package dev.weir.engine.text.jinja;

import java.util.Iterator;
import java.util.List;

/** What {@code dict.keys()}, {@code dict.values()} and {@code dict.items()} give. */
record DictView(DictValue dict, Part part) {

  /** Which half of the pairs a view shows. */
  enum Part {
    KEYS("dict_keys"),
    VALUES("dict_values"),
    ITEMS("dict_items");

    final String typeName;

    Part(String typeName) {
      this.typeName = typeName;
    }
  }

  Iterator<Object> iterator() {
    Iterator<DictValue.Entry> entries = dict.entries().iterator();
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return entries.hasNext();
      }

      @Override
      public Object next() {
        DictValue.Entry entry = entries.next();
        return switch (part) {
          case KEYS -> entry.key();
          case VALUES -> entry.value();
          case ITEMS -> TupleValue.of(List.of(entry.key(), entry.value()));
        };
      }
    };
  }
}
