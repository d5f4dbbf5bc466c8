package dev.weir.emulator;

import java.util.Map;
import java.util.stream.Collectors;

/**
 * PTX that declares the kernels of {@code driver_kernels.cpp}; the emulator reads no more of it.
 */
final class TestKernels {
  /** Their argument struct: {@code int *values, int64_t count, int64_t operand}. */
  static final int ARGUMENT_BYTES = 24;

  static final int THREADS = 32;
  static final int MUCH_SHARED = 64 * 1024;

  private static final Map<String, Integer> SHARED =
      Map.of("add", 0, "scale", 0, "fail", 0, "much_shared", MUCH_SHARED);

  private TestKernels() {}

  /** The kernels for compute capability 8.0 and newer. */
  static String ptx() {
    return ptx("8.0", "sm_80", ARGUMENT_BYTES);
  }

  /** The same with other properties than the library's kernels have. */
  static String ptx(String version, String target, int argumentBytes) {
    return SHARED.keySet().stream()
        .sorted()
        .map(name -> entry(name, argumentBytes))
        .collect(
            Collectors.joining(
                "\n",
                ".version " + version + "\n.target " + target + "\n.address_size 64\n",
                "\n"));
  }

  private static String entry(String name, int argumentBytes) {
    return """
    .global .align 4 .u32 %s_shared = %d;
    .visible .entry %s(
    	.param .align 8 .b8 %s_param_0[%d]
    )
    .maxntid %d, 1, 1
    {
    	ret;
    }
    """
        .formatted(name, SHARED.get(name), name, name, argumentBytes, THREADS);
  }
}
