package dev.weir.engine.text.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The names that one block can see: its own, then those of the block around it. Assigning sets a
 * name of the innermost block, which is why a loop can't change a name outside.
 */
final class Scope {

  private final @Nullable Scope outer;
  private @Nullable Map<String, Object> names;

  Scope(@Nullable Scope outer) {
    this.outer = outer;
  }

  @Nullable Object find(String name) {
    for (Scope scope = this; scope != null; scope = scope.outer) {
      Map<String, Object> own = scope.names;
      if (own != null) {
        Object value = own.get(name);
        if (value != null) {
          return value;
        }
      }
    }
    return null;
  }

  void set(String name, Object value) {
    Map<String, Object> own = names;
    if (own == null) {
      own = new HashMap<>();
      names = own;
    }
    own.put(name, value);
  }
}
