package dev.weir.engine.text.jinja;

import java.util.LinkedHashMap;
import java.util.Map;

/** The one value a template can change: {@code {% set ns.name = … %}}. */
record Namespace(Map<String, Object> attributes) {

  Namespace() {
    this(new LinkedHashMap<>());
  }
}
