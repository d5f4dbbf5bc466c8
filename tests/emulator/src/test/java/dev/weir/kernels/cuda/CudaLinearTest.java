package dev.weir.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.emulator.Emulator;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code linear.cu} promises: a token's bits are its own, whichever kernel computes them. */
class CudaLinearTest {
  private static final float BIAS = 0.75f;

  /** Results that are not written keep it. */
  private static final byte UNWRITTEN = 0x5A;

  /** Of so many multiprocessors that tiles are small, and of so few that they are large. */
  private static final List<Integer> MULTIPROCESSORS = List.of(1, 132);

  /** One more or less than each kernel takes. */
  private static final int[] ROWS = {1, 2, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 250};

  @ParameterizedTest(name = "[{0}][{1}] {2}")
  @CsvSource({
    "1, 1, BF16, false",
    "16, 64, F16, true",
    "33, 37, BF16, false",
    "130, 72, F16, false",
    "20, 512, BF16, true",
    "17, 1100, F16, false",
    "40, 1030, BF16, true",
    "129, 520, BF16, false",
    "5, 2100, F16, false"
  })
  void aTokensBitsAreTheSameHoweverManyTokensThereAre(
      int outputs, int columns, DType type, boolean logits) {
    Emulator emulator = gpu("order=random landing=random seed=" + columns);
    Random random = new Random(outputs * 31L + columns);
    int most = ROWS[ROWS.length - 1];
    try (CudaDevice device = CudaDevice.open(0)) {
      LinearWeight weight = weight(device, type, outputs, columns, random);
      Buffer in = device.allocate((long) most * columns * 2, "tokens");
      device.write(in, 0, MemorySegment.ofArray(elements(random, type, most * columns)));
      int outBytes = outputs * (logits ? Float.BYTES : 2);
      byte[] expected = new byte[0];
      for (int multiprocessors : MULTIPROCESSORS) {
        CudaLinear linear = open(device, multiprocessors, type);
        for (int i = ROWS.length - 1; i >= 0; i--) {
          byte[] actual = multiply(device, linear, ROWS[i], in, weight, outBytes, logits);
          if (expected.length == 0) {
            expected = actual;
          }
          assertThat(actual)
              .as("%d rows on %d multiprocessors", ROWS[i], multiprocessors)
              .isEqualTo(Arrays.copyOf(expected, ROWS[i] * outBytes));
        }
      }
    }
    assertThat(emulator.mistakes()).isEmpty();
  }

  @Test
  void aGpuWithoutSharedMemoryForTheLargestTilesComputesTheSameBits() {
    byte[] withRoom = productOnOneMultiprocessor("9.0");

    assertThat(productOnOneMultiprocessor("8.9")).isEqualTo(withRoom);
  }

  private static byte[] productOnOneMultiprocessor(String capability) {
    Emulator emulator = gpu("capability=" + capability);
    Random random = new Random(1);
    int rows = 250;
    int outputs = 24;
    int columns = 520;
    byte[] product;
    try (CudaDevice device = CudaDevice.open(0)) {
      LinearWeight weight = weight(device, DType.BF16, outputs, columns, random);
      Buffer in = device.allocate((long) rows * columns * 2, "tokens");
      device.write(in, 0, MemorySegment.ofArray(elements(random, DType.BF16, rows * columns)));
      CudaLinear linear = open(device, 1, DType.BF16);
      product = multiply(device, linear, rows, in, weight, outputs * 2, false);
    }
    assertThat(emulator.mistakes()).isEmpty();
    return product;
  }

  private static Emulator gpu(String settings) {
    Emulator emulator = Emulator.start(settings);
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    return emulator;
  }

  @Test
  void segmentsCoverTheColumnsAndTheirSumsFitTheScratch() {
    for (int outputs : new int[] {1, 128, 1000, 1024, 4096, 6144, 16384, 28672, 151936}) {
      for (int columns : new int[] {1, 63, 64, 500, 1024, 1280, 4096, 14336}) {
        int segment = PackedWeights.segmentColumns(outputs, columns);
        int segments = PackedWeights.segments(outputs, columns);
        assertThat(segment % PackedWeights.COLUMNS).isZero();
        assertThat(segments).isBetween(1, PackedWeights.MAX_SEGMENTS);
        assertThat((segments - 1) * segment).isLessThan(columns);
        assertThat(segments * segment).isGreaterThanOrEqualTo(columns);
        if (segments > 1) {
          long padded = PackedWeights.bytes(outputs, 1) / PackedWeights.bytes(1, 1);
          long sums = padded * PackedWeights.OUTPUTS * segments * CudaLinear.MOST_SPLIT_TOKENS;
          assertThat(sums * Float.BYTES).isLessThan(CudaLinear.SCRATCH_BYTES);
        }
      }
    }
  }

  private static CudaLinear open(CudaDevice device, int multiprocessors, DType type) {
    DeviceBuffer scratch = device.allocate(CudaLinear.SCRATCH_BYTES, "scratch");
    return new CudaLinear(device.module("linear"), device.stream(), multiprocessors, type, scratch);
  }

  /** The product's bytes, from buffers that end where its tokens and results do. */
  private static byte[] multiply(
      CudaDevice device,
      CudaLinear linear,
      int rows,
      Buffer in,
      LinearWeight weight,
      int outBytes,
      boolean logits) {
    int length = rows * outBytes;
    Buffer out = device.allocate(length, "products");
    byte[] filled = new byte[length];
    Arrays.fill(filled, UNWRITTEN);
    device.write(out, 0, MemorySegment.ofArray(filled));
    Buffer tokens = device.allocate((long) rows * weight.columns() * 2, "tokens");
    byte[] copied = new byte[(int) tokens.bytes()];
    device.read(in, 0, MemorySegment.ofArray(copied));
    device.write(tokens, 0, MemorySegment.ofArray(copied));
    if (logits) {
      linear.logits(rows, tokens, weight, out);
    } else {
      linear.linear(rows, tokens, weight, out);
    }
    byte[] result = new byte[length];
    device.read(out, 0, MemorySegment.ofArray(result));
    device.free(tokens);
    device.free(out);
    return result;
  }

  /** A random weight, packed in two pieces. */
  private static LinearWeight weight(
      CudaDevice device, DType type, int outputs, int columns, Random random) {
    LinearWeight weight = device.allocateLinear(type, outputs, columns, "a weight");
    int first = outputs / 3;
    try (Arena arena = Arena.ofConfined()) {
      for (int[] piece : new int[][] {{0, first}, {first, outputs - first}}) {
        if (piece[1] > 0) {
          MemorySegment source =
              arena.allocateFrom(
                  ValueLayout.JAVA_SHORT, elements(random, type, piece[1] * columns));
          device.pack(weight, piece[0], piece[1], source);
        }
      }
    }
    float[] bias = new float[outputs];
    for (int n = 0; n < outputs; n++) {
      bias[n] = n * BIAS;
    }
    Buffer biases = device.allocate((long) outputs * Float.BYTES, "a bias");
    device.write(biases, 0, MemorySegment.ofArray(bias));
    return weight.withBias(biases);
  }

  private static short[] elements(Random random, DType type, int count) {
    short[] elements = new short[count];
    for (int i = 0; i < count; i++) {
      float value = (float) random.nextGaussian();
      elements[i] =
          type == DType.F16
              ? Float.floatToFloat16(value)
              : (short) (Float.floatToIntBits(value) >>> Short.SIZE);
    }
    return elements;
  }
}
