package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.bindings.cuda.CUlaunchConfig_st;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One kernel, ready to be launched again and again: its arguments and configuration lie off-heap,
 * so that a launch allocates nothing. The driver copies the arguments at the call; they may be set
 * anew right after it. Arguments and grid stay as they were set last.
 *
 * <p>{@code launch.set(0, in.address()).set(1, rows).set(2, epsilon).grid(rows, 1, 1).on(stream)}
 */
final class Launch {
  /** Limits of every architecture on the grid's second and third side. */
  private static final int MAX_GRID_Y = 65_535;

  private static final int ARGUMENT_BYTES = 8;
  private static final long STREAM = CUlaunchConfig_st.hStream$offset();

  private final Context context;
  private final String kernel;
  private final long function;
  private final MemorySegment arguments;
  private final MemorySegment configuration;
  private final long configurationAddress;
  private final long parameters;

  /**
   * @param kernel its name in the source
   * @param argumentCount the fields of its argument struct, 8 bytes each
   * @throws IllegalArgumentException if the compiled kernel has no such argument struct
   */
  Launch(Module module, String kernel, int argumentCount) {
    this.context = module.context();
    this.kernel = kernel;
    KernelImage.Kernel compiled = module.kernel(kernel);
    if (compiled.parameters() != 1 || compiled.parameterBytes() != argumentCount * ARGUMENT_BYTES) {
      throw new IllegalArgumentException(
          kernel
              + " takes "
              + compiled.parameters()
              + " parameters of "
              + compiled.parameterBytes()
              + " bytes, but is called with one of "
              + argumentCount
              + " fields of 8 bytes");
    }
    function = module.function(kernel).address();
    Arena arena = module.arena();
    arguments = arena.allocate(JAVA_LONG, argumentCount);
    parameters = arena.allocateFrom(ADDRESS, arguments).address();
    configuration = arena.allocate(CUlaunchConfig_st.layout());
    configurationAddress = configuration.address();
    CUlaunchConfig_st.blockDimX(configuration, compiled.threads());
    CUlaunchConfig_st.blockDimY(configuration, 1);
    CUlaunchConfig_st.blockDimZ(configuration, 1);
    CUlaunchConfig_st.sharedMemBytes(configuration, compiled.sharedBytes());
  }

  /** Sets a pointer or an {@code int64_t}. */
  Launch set(int index, long value) {
    arguments.setAtIndex(JAVA_LONG, index, value);
    return this;
  }

  /** Sets a {@code double}. */
  Launch set(int index, double value) {
    arguments.setAtIndex(JAVA_DOUBLE, index, value);
    return this;
  }

  /** Sets the grid in blocks, each side at least 1. */
  Launch grid(int x, int y, int z) {
    if (x < 1 || y < 1 || z < 1 || y > MAX_GRID_Y || z > MAX_GRID_Y) {
      throw new IllegalArgumentException(
          kernel + " cannot run on a grid of " + x + " x " + y + " x " + z + " blocks");
    }
    CUlaunchConfig_st.gridDimX(configuration, x);
    CUlaunchConfig_st.gridDimY(configuration, y);
    CUlaunchConfig_st.gridDimZ(configuration, z);
    return this;
  }

  /** Enqueues the kernel. */
  void on(Stream stream) {
    configuration.set(JAVA_LONG, STREAM, stream.handle());
    context.check(
        HotCalls.launch(configurationAddress, function, parameters), "cuLaunchKernelEx", kernel);
    stream.launched(kernel);
  }
}
