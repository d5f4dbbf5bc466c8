package dev.weir.kernels;

import java.lang.foreign.MemorySegment;

/**
 * One place that computes: its memory, and the op set over it. Allocation is for loading and
 * start-up; a step allocates nothing. Not thread-safe: the thread that loads hands the device to
 * the step thread.
 */
public interface Device extends AutoCloseable {

  /** What computes, for people: for example {@code "cpu (AVX-512-BF16, 2 threads)"}. */
  String name();

  /**
   * The element type that this device keeps a checkpoint's matrices of the given type in; the
   * loader converts.
   */
  DType weightType(DType checkpoint);

  /** The element type of activations for weights of the given type, as ops read and write them. */
  DType activationType(DType weights);

  /** The element type of cached keys and values for weights of the given type. */
  DType kvType(DType weights);

  /**
   * Zeroed memory, 64-byte aligned; from 2 MiB on aligned to and advised for huge pages.
   *
   * @param bytes length, at least 1
   * @param purpose what for, named in the error
   * @throws DeviceMemoryException if the device has no such memory left
   */
  Buffer allocate(long bytes, String purpose);

  /** Gives back a buffer that {@link #allocate} returned. */
  void free(Buffer buffer);

  /** Memory for one exchange between host and device; lives as long as the device. */
  Staging staging(long bytes, String purpose);

  /**
   * Makes {@code bytes} of the host's side from {@code offset} on visible to ops that are called
   * after this. The host leaves them alone until those ops are done.
   */
  void upload(Staging staging, long offset, long bytes);

  /**
   * Makes the first {@code bytes}, as all ops called so far leave them, visible on the host's side
   * once {@code completion} was awaited.
   */
  void download(Staging staging, long bytes, Completion completion);

  /** A completion for {@link #download} and for {@link BlockCopies#submit}. */
  Completion completion();

  /**
   * Host memory that {@link #copies} run to and from at full speed, those of other devices of the
   * same kind too. It lives as long as this device; what it holds at first is undefined.
   *
   * @param bytes length, at least 1
   * @param purpose what for, named in the error
   * @throws DeviceMemoryException if the host has no such memory left
   */
  MemorySegment hostMemory(long bytes, String purpose);

  /** The copies of KV blocks beside this device's steps. */
  BlockCopies copies();

  /**
   * Whether this device failed for good, so that every call on it throws {@link
   * DeviceLostException}; tells which of two devices it was where a call concerns both.
   */
  boolean lost();

  /** Whether ops may return before they are done, so that the host can prepare the next step. */
  boolean asynchronous();

  /**
   * Sets scratch memory aside. Called once, before the first step.
   *
   * @throws UnsupportedShapeException if the device cannot compute such heads, or so large a
   *     vocabulary; what else of a model's shape it cannot compute shows at the first step
   */
  void reserve(StepLimits limits);

  /**
   * Computes a step by running {@code program}, or by replaying what it recorded when the program
   * ran for another step of this size: nothing that a program does may depend on more than the
   * step's counts.
   */
  void compute(StepInputs step, StepProgram program);

  /** Copies host memory into a buffer, at a byte offset. For loading. */
  void write(Buffer destination, long offset, MemorySegment source);

  /**
   * Copies a buffer's bytes to host memory, waiting for all ops called so far. For tests and
   * inspection.
   */
  void read(Buffer source, long offset, MemorySegment destination);

  /**
   * Memory for a weight matrix in the form that this device's {@code linear} streams; rows are
   * filled by {@link #pack}.
   *
   * @param type F32, F16 or BF16: the type that is kept
   * @param rows output features, N
   * @param columns input features, K
   */
  LinearWeight allocateLinear(DType type, int rows, int columns, String purpose);

  /**
   * Packs {@code count} row-major rows of {@code weight.columns()} elements of type {@code
   * weight.type()} into rows {@code firstRow…} of the weight. Rows that were never packed are zero.
   */
  void pack(LinearWeight weight, int firstRow, int count, MemorySegment source);

  /** Allocates the KV arena of this device: {@code blocks} blocks, zeroed. */
  KvArena allocateKv(KvShape shape, int blocks);

  /** The op set, once {@link #reserve} was called. */
  Kernels kernels();

  /** Frees everything that was allocated here. */
  @Override
  void close();
}
