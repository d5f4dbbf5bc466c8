package dev.weir.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.PaddingLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The bindings against the CUDA toolkit's own header and stub library. */
class CudaHeaderTest {
  /** The one struct whose alignment the generated layout does not carry. */
  private static final String TENSOR_MAP = "CUtensorMap_st";

  /** What C asks for it (cuda.h: {@code _Alignas(128)}); allocate it with this. */
  private static final long TENSOR_MAP_ALIGNMENT = 128;

  @TempDir Path folder;

  @Test
  void sizesOffsetsAndAlignmentsOfStructsAreTheCompilers() throws Exception {
    Map<String, Long> bound = new TreeMap<>();
    for (String kind : List.of("struct", "union")) {
      for (String name : CudaBindings.included(kind)) {
        GroupLayout layout = CudaBindings.layout(name);
        String type = kind + " " + name;
        bound.put("sizeof(" + type + ")", layout.byteSize());
        bound.put(
            "_Alignof(" + type + ")",
            name.equals(TENSOR_MAP) ? TENSOR_MAP_ALIGNMENT : layout.byteAlignment());
        addFields(bound, type, "", layout, 0);
      }
    }

    assertThat(compilersValues(bound)).isEqualTo(bound);
    assertThat(CudaBindings.layout(TENSOR_MAP).byteAlignment())
        .as("once jextract knows the alignment of %s, README.md need not warn of it", TENSOR_MAP)
        .isLessThan(TENSOR_MAP_ALIGNMENT);
  }

  @Test
  void valuesOfConstantsAreTheCompilers() throws Exception {
    Map<String, Long> bound = CudaBindings.constants();

    assertThat(compilersValues(bound)).isEqualTo(bound);
  }

  @Test
  void everyFunctionIsDeclaredUnderItsExportedName() throws Exception {
    Path header = Native.toolkit().resolve("include/cuda.h");
    String declarations = Native.compile(folder, "-E", "-P", header.toString());

    Set<String> declared =
        Pattern.compile("\\bCUresult\\s+(\\w+)\\s*\\(")
            .matcher(declarations)
            .results()
            .map(declaration -> declaration.group(1))
            .collect(Collectors.toSet());
    assertThat(declared).containsAll(CudaBindings.functions());
  }

  @Test
  void everyFunctionIsExportedByTheStubLibrary() {
    Path stub = Native.toolkit().resolve("lib64/stubs/libcuda.so");
    assumeTrue(
        Files.exists(stub), "skipped: this CUDA toolkit comes without its driver stub, " + stub);

    CudaDriverLibrary library = CudaDriverLibrary.open(stub.toString());

    assertThat(library.why()).isEmpty();
    assertThat(CudaBindings.functions())
        .allSatisfy(function -> assertThat(library.find(function)).isPresent());
  }

  /** Adds the offset and size of each field below {@code group}, written as C expressions. */
  private static void addFields(
      Map<String, Long> bound, String type, String path, GroupLayout group, long start) {
    for (MemoryLayout member : group.memberLayouts()) {
      if (member instanceof PaddingLayout) {
        continue;
      }
      String name = member.name().orElseThrow();
      long offset = start + group.byteOffset(PathElement.groupElement(name));
      // jextract's name for what has none in C, whose fields belong to the struct around it.
      boolean unnamed = name.startsWith("$anon$");
      if (!unnamed) {
        String field = path + name;
        bound.put("offsetof(" + type + ", " + field + ")", offset);
        bound.put("sizeof(((" + type + " *) 0)->" + field + ")", member.byteSize());
      }
      if (member instanceof GroupLayout inner) {
        addFields(bound, type, unnamed ? path : path + name + ".", inner, offset);
      }
    }
  }

  /** Has a C program print the value of each key, an integer expression over cuda.h. */
  private Map<String, Long> compilersValues(Map<String, Long> expressions) throws Exception {
    Path toolkit = Native.toolkit();
    List<String> order = new ArrayList<>(expressions.keySet());
    String prints =
        order.stream()
            .map(expression -> "  printf(\"%lld\\n\", (long long) (" + expression + "));\n")
            .collect(Collectors.joining());
    Path source =
        Files.writeString(
            folder.resolve("values.c"),
            "#include <stddef.h>\n#include <stdio.h>\n#include <cuda.h>\nint main(void) {\n"
                + prints
                + "}\n");
    Path program = folder.resolve("values");
    Native.compile(
        folder,
        "-std=c11",
        "-I" + toolkit.resolve("include"),
        "-o",
        program.toString(),
        source.toString());
    List<String> printed = Native.run(folder, List.of(program.toString())).lines().toList();
    assertThat(printed).hasSameSizeAs(order);
    Map<String, Long> values = new TreeMap<>();
    for (int index = 0; index < order.size(); index++) {
      values.put(order.get(index), Long.valueOf(printed.get(index)));
    }
    return values;
  }
}
