package dev.weir.bindings;

import dev.weir.bindings.cuda.CudaDriver;
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/** What the generated classes hold, and what the arguments of jextract asked for. */
final class CudaBindings {
  private static final Path ARGUMENTS = Path.of("src/main/jextract/cuda-driver.args");

  private CudaBindings() {}

  /** The names that the arguments file includes, of one kind: function, constant, struct, union. */
  static List<String> included(String kind) throws IOException {
    String option = "--include-" + kind + " ";
    return Files.readAllLines(ARGUMENTS).stream()
        .filter(line -> line.startsWith(option))
        .map(line -> line.substring(option.length()))
        .toList();
  }

  /** The names of all functions that can be called. */
  static List<String> functions() {
    return accessors(method -> method.getName().endsWith("$descriptor")).stream()
        .map(method -> method.getName().replace("$descriptor", ""))
        .toList();
  }

  /** All constants and their values. */
  static Map<String, Long> constants() throws ReflectiveOperationException {
    Map<String, Long> values = new TreeMap<>();
    for (Method constant : accessors(method -> method.getName().startsWith("CU"))) {
      values.put(constant.getName(), ((Number) constant.invoke(null)).longValue());
    }
    return values;
  }

  /** The layout of a struct or union, by its name in C. */
  static GroupLayout layout(String name) throws ReflectiveOperationException {
    return (GroupLayout)
        Class.forName(CudaDriver.class.getPackageName() + "." + name)
            .getMethod("layout")
            .invoke(null);
  }

  private static List<Method> accessors(Predicate<Method> wanted) {
    return Arrays.stream(CudaDriver.class.getDeclaredMethods())
        .filter(method -> Modifier.isPublic(method.getModifiers()))
        .filter(method -> method.getParameterCount() == 0)
        .filter(wanted)
        .toList();
  }
}
