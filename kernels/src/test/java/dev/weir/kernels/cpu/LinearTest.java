package dev.weir.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class LinearTest {
  private static final long SEED = 20261121;
  private static final DType[] WEIGHT_TYPES = {DType.F32, DType.F16, DType.BF16};
  private static final int CASES = 24;
  private static final int MOST_TOKENS = 70;

  private static int between(RandomGenerator random, int low, int high) {
    return low + random.nextInt(high - low + 1);
  }

  /** BF16 dot products take rounded activations, all else takes them as they are. */
  private static boolean roundsActivations(Isa isa, DType type) {
    return type == DType.BF16 && isa.compareTo(Isa.AVX512BF16) >= 0;
  }

  private static float[] linear(Device device, LinearWeight weight, float[] in) {
    int rows = in.length / weight.columns();
    Buffer from = Matrix.upload(device, in);
    Buffer out = device.allocate(4L * rows * weight.rows(), "test output");
    device.kernels().linear(rows, from, weight, out);
    float[] result = Matrix.download(device, out, rows * weight.rows());
    device.free(from);
    device.free(out);
    return result;
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void everyElementIsTheDotProductWithinTheErrorOfItsSummation(Isa isa) {
    var random = new Random(SEED);
    try (Device device = CpuDevice.open(2, isa)) {
      for (int n = 0; n < CASES; n++) {
        DType type = WEIGHT_TYPES[n % WEIGHT_TYPES.length];
        int tokens = between(random, 1, MOST_TOKENS);
        Matrix weight =
            Matrix.random(random, type, between(random, 1, 200), between(random, 1, 1500));
        Matrix in = Matrix.random(random, DType.F32, tokens, weight.columns());
        Matrix bias = Matrix.random(random, DType.F32, 1, weight.rows());
        boolean withBias = random.nextBoolean();
        LinearWeight packed = weight.pack(device);
        if (withBias) {
          packed = packed.withBias(Matrix.upload(device, bias.values()));
        }

        float[] out = linear(device, packed, in.values());

        DType inType = roundsActivations(isa, type) ? DType.BF16 : DType.F32;
        for (int t = 0; t < tokens; t++) {
          for (int row = 0; row < weight.rows(); row++) {
            double sum = withBias ? bias.at(0, row) : 0;
            double magnitude = Math.abs(sum);
            for (int k = 0; k < weight.columns(); k++) {
              double product = (double) Matrix.round(in.at(t, k), inType) * weight.at(row, k);
              sum += product;
              magnitude += Math.abs(product);
            }
            // Higham's bound for a sum in any order: one rounding per addition and product.
            double tolerance = (weight.columns() + 2) * 0x1p-24 * magnitude;
            assertThat((double) out[t * weight.rows() + row])
                .as(
                    "%s %s [%d][%d], token %d of %d, output %d",
                    isa, type, weight.rows(), weight.columns(), t, tokens, row)
                .isCloseTo(sum, org.assertj.core.data.Offset.offset(tolerance));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void aTokensBitsAreEqualAloneAndInAnyBatchAndWithAnyNumberOfThreads(Isa isa) {
    var random = new Random(SEED + 1);
    try (Device one = CpuDevice.open(1, isa);
        Device two = CpuDevice.open(2, isa);
        Device three = CpuDevice.open(3, isa)) {
      for (int n = 0; n < CASES; n++) {
        DType type = WEIGHT_TYPES[n % WEIGHT_TYPES.length];
        int tokens = between(random, 1, MOST_TOKENS);
        Matrix weight =
            Matrix.random(random, type, between(random, 1, 300), between(random, 1, 2600));
        Matrix in = Matrix.random(random, DType.F32, tokens, weight.columns());
        LinearWeight packed = weight.pack(one);

        float[] batch = linear(one, packed, in.values());

        for (int t = 0; t < tokens; t++) {
          float[] row =
              Arrays.copyOfRange(
                  in.values(), t * weight.columns(), t * weight.columns() + weight.columns());
          assertThat(linear(one, packed, row))
              .as(
                  "%s %s [%d][%d], token %d of %d",
                  isa, type, weight.rows(), weight.columns(), t, tokens)
              .isEqualTo(
                  Arrays.copyOfRange(batch, t * weight.rows(), t * weight.rows() + weight.rows()));
        }
        assertThat(linear(two, weight.pack(two), in.values())).isEqualTo(batch);
        assertThat(linear(three, weight.pack(three), in.values())).isEqualTo(batch);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void rowsPackedInAnyRangesGiveTheSameWeightAsRowsPackedAtOnce(Isa isa) {
    var random = new Random(SEED + 2);
    try (Device device = CpuDevice.open(2, isa);
        Arena arena = Arena.ofConfined()) {
      for (int n = 0; n < CASES; n++) {
        DType type = WEIGHT_TYPES[n % WEIGHT_TYPES.length];
        Matrix weight =
            Matrix.random(random, type, between(random, 1, 400), between(random, 1, 300));
        LinearWeight whole = weight.pack(device);
        LinearWeight pieces =
            device.allocateLinear(type, weight.rows(), weight.columns(), "test weight");
        for (int first = 0; first < weight.rows(); ) {
          int count = between(random, 1, weight.rows() - first);
          device.pack(pieces, first, count, weight.encode(arena, first, count));
          first += count;
        }
        byte[] expected = new byte[Math.toIntExact(whole.packed().bytes())];
        byte[] actual = new byte[Math.toIntExact(pieces.packed().bytes())];
        device.read(whole.packed(), 0, MemorySegment.ofArray(expected));
        device.read(pieces.packed(), 0, MemorySegment.ofArray(actual));
        assertThat(actual).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void embeddingGivesTheVeryRowsOfTheTable(Isa isa) {
    var random = new Random(SEED + 3);
    try (Device device = CpuDevice.open(2, isa)) {
      for (DType type : WEIGHT_TYPES) {
        Matrix table = Matrix.random(random, type, 150, 2049);
        int[] ids = random.ints(MOST_TOKENS, 0, table.rows()).toArray();
        Buffer out = device.allocate(4L * ids.length * table.columns(), "test output");

        device.kernels().embed(step(device, ids), table.pack(device), out);

        float[] rows = Matrix.download(device, out, ids.length * table.columns());
        for (int t = 0; t < ids.length; t++) {
          for (int k = 0; k < table.columns(); k++) {
            assertThat(rows[t * table.columns() + k]).isEqualTo(table.at(ids[t], k));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.weir.kernels.cpu.Levels#available")
  void argumentsThatWouldReachOutsideTheirBuffersAreRefused(Isa isa) {
    var random = new Random(SEED + 4);
    try (Device device = CpuDevice.open(1, isa);
        Arena arena = Arena.ofConfined()) {
      Matrix matrix = Matrix.random(random, DType.BF16, 10, 20);
      LinearWeight weight = matrix.pack(device);
      Buffer in = device.allocate(2 * 20 * 4, "in");
      Buffer out = device.allocate(2 * 10 * 4, "out");
      var kernels = device.kernels();

      kernels.linear(2, in, weight, out);
      assertThatThrownBy(() -> kernels.linear(3, in, weight, out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("in needs 240 bytes");
      assertThatThrownBy(() -> kernels.linear(2, in, weight, in(device)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("out needs 80 bytes");
      assertThatThrownBy(() -> kernels.linear(-1, in, weight, out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("rows is -1");
      LinearWeight claimsMore = new LinearWeight(DType.BF16, 100, 20, weight.packed(), null);
      assertThatThrownBy(() -> kernels.linear(1, in, claimsMore, out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("the packed weight");
      assertThatThrownBy(() -> kernels.linear(1, in, weight.withBias(in(device)), out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("bias needs 40 bytes");
      assertThatThrownBy(() -> device.pack(weight, 8, 3, matrix.encode(arena, 0, 3)))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> device.pack(weight, 0, 3, matrix.encode(arena, 0, 2)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("120 bytes");
      Buffer row = device.allocate(4 * 20, "row");
      assertThatThrownBy(() -> kernels.embed(step(device, 10), weight, row))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> kernels.embed(step(device, -1), weight, row))
          .isInstanceOf(IndexOutOfBoundsException.class);
      device.free(in);
      assertThatThrownBy(() -> kernels.linear(2, in, weight, out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("freed");
    }
  }

  private static Buffer in(Device device) {
    return device.allocate(39, "too short");
  }

  private static StepInputs step(Device device, int... ids) {
    Buffer tokens = device.allocate(4L * ids.length, "token ids");
    device.write(tokens, 0, MemorySegment.ofArray(ids));
    var step =
        new StepInputs(
            tokens, tokens, tokens, tokens, tokens, tokens, tokens, tokens, 1, tokens, null);
    step.counts(ids.length, 1, 1);
    return step;
  }
}
