package dev.weir.tests.gpucheck;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaStopwatch;
import dev.weir.kernels.reference.ReferenceDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;

/** An open device with a stopwatch, and random values in its memory. */
final class TimedDevice implements AutoCloseable {
  /** What a model's matrices are kept in. */
  static final DType WEIGHTS = DType.BF16;

  /** Random values are drawn once and repeated; a prime, so that no two rows are alike. */
  private static final int PATTERN = 1_000_003;

  /** Five times the L2 of an H100. */
  private static final long ROTATION = 256L << 20;

  private static final long SMOKE_ROTATION = 1 << 16;
  private static final int MOST_COPIES = 256;

  private static final int WARM_UPS = 2;
  private static final int MOST_SAMPLES = 15;

  /** Samples of one figure end after this; a median needs no more. */
  private static final double FIGURE_SECONDS = 0.15;

  final Device device;
  final Kernels kernels;
  final DType activation;

  /** So many bytes are in use before a buffer is used again: more than the caches keep. */
  final long rotation;

  private final Stopwatch stopwatch;
  private final Random random;
  private final float[] pattern = new float[PATTERN];

  private TimedDevice(Device device, Stopwatch stopwatch, long rotation, long seed) {
    this.device = device;
    this.stopwatch = stopwatch;
    this.rotation = rotation;
    kernels = device.kernels();
    activation = device.activationType(WEIGHTS);
    random = new Random(seed);
    for (int i = 0; i < PATTERN; i++) {
      pattern[i] = (float) random.nextGaussian();
    }
  }

  static TimedDevice open(Options options, StepLimits limits) {
    long rotation = options.smoke() ? SMOKE_ROTATION : ROTATION;
    Device device;
    Stopwatch stopwatch = Stopwatch.wall();
    switch (options.device()) {
      case CUDA -> {
        CudaDevice cuda = CudaDevice.open(0);
        stopwatch = Stopwatch.of(new CudaStopwatch(cuda));
        device = cuda;
      }
      case CPU -> device = CpuDevice.open(Runtime.getRuntime().availableProcessors());
      case REFERENCE -> device = ReferenceDevice.open();
      default -> throw new IllegalStateException("no other device");
    }
    device.reserve(limits);
    return new TimedDevice(device, stopwatch, rotation, options.seed());
  }

  /** The largest step of a figure: so many tokens of at most so many sequences. */
  static StepLimits limits(int tokens, int slices, int positions, Shape shape) {
    int samples = Math.min(tokens, slices);
    return new StepLimits(
        tokens, slices, samples, positions, shape.attention(), shape.vocabulary(), WEIGHTS);
  }

  /** How many buffers of so many bytes are used in turn. */
  int copies(long bytes) {
    return Math.clamp(rotation / bytes + 1, 1, MOST_COPIES);
  }

  /** Median seconds of one op of {@code count} that {@code ops} calls. */
  double median(int count, Runnable ops) {
    return median(count, ops, () -> {});
  }

  /**
   * @param before restores what the ops change; not timed
   */
  double median(int count, Runnable ops, Runnable before) {
    try (Stopwatch.Timed timed = stopwatch.ready(ops)) {
      for (int i = 0; i < WARM_UPS; i++) {
        before.run();
        timed.seconds();
      }
      double[] samples = new double[MOST_SAMPLES];
      int taken = 0;
      long end = System.nanoTime() + (long) (FIGURE_SECONDS * 1e9);
      do {
        before.run();
        samples[taken++] = timed.seconds() / count;
      } while (taken < samples.length && System.nanoTime() < end);
      double[] sorted = Arrays.copyOf(samples, taken);
      Arrays.sort(sorted);
      return sorted[taken / 2];
    }
  }

  Random random() {
    return random;
  }

  /** Random normal values with a deviation, in the type of activations. */
  Buffer activations(long count, double deviation) {
    Buffer buffer = device.allocate(count * activation.bytes(), "timed activations");
    fill(buffer, activation, deviation);
    return buffer;
  }

  Buffer floats(long count, double deviation) {
    Buffer buffer = device.allocate(count * Float.BYTES, "timed values");
    fill(buffer, DType.F32, deviation);
    return buffer;
  }

  /** Integers that kernels and the checks of a step both read. */
  Buffer ints(int... values) {
    long bytes = (long) values.length * Integer.BYTES;
    Staging staging = device.staging(bytes, "timed integers");
    MemorySegment.copy(values, 0, staging.host(), ValueLayout.JAVA_INT, 0, values.length);
    device.upload(staging, 0, bytes);
    return staging.device();
  }

  LinearWeight weight(Shape.Linear shape) {
    LinearWeight weight =
        device.allocateLinear(WEIGHTS, shape.rows(), shape.columns(), "timed weight");
    long row = (long) shape.columns() * WEIGHTS.bytes();
    int rows = Math.clamp((long) PATTERN * WEIGHTS.bytes() / row, 1, shape.rows());
    double deviation = 1 / Math.sqrt(shape.columns());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment part = arena.allocate(rows * row, WEIGHTS.bytes());
      values(part, WEIGHTS, deviation);
      for (int first = 0; first < shape.rows(); first += rows) {
        device.pack(weight, first, Math.min(rows, shape.rows() - first), part);
      }
    }
    return weight;
  }

  void fill(Buffer buffer, DType type, double deviation) {
    try (Arena arena = Arena.ofConfined()) {
      long bytes = Math.min(buffer.bytes(), (long) PATTERN * type.bytes());
      MemorySegment part = arena.allocate(bytes, type.bytes());
      values(part, type, deviation);
      for (long at = 0; at < buffer.bytes(); at += bytes) {
        device.write(buffer, at, part.asSlice(0, Math.min(bytes, buffer.bytes() - at)));
      }
    }
  }

  private void values(MemorySegment to, DType type, double deviation) {
    int start = random.nextInt(PATTERN);
    for (long i = 0; i < to.byteSize() / type.bytes(); i++) {
      float value = (float) (deviation * pattern[(int) ((start + i) % PATTERN)]);
      switch (type) {
        case F32 -> to.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        case F16 -> to.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
        case BF16 ->
            to.setAtIndex(
                ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
        case I32 -> throw new IllegalArgumentException("integers are not drawn from a normal");
      }
    }
  }

  @Override
  public void close() {
    device.close();
  }
}
