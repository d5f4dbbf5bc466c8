package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaProbes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What the emulator makes of a GPU's primitives ({@code probe.cu}): what the PTX ISA says, and,
 * where a GPU has recorded its own ({@code gpu-check}'s probes.tsv), what that one did.
 */
class ProbesTest {
  /** Where gpu-check's recordings are kept, one file per GPU. */
  private static final Path GOLDEN = Path.of("../results/probes");

  /** Of gpu-check: {@code Probes.INPUT_SEED}. */
  private static final long INPUT_SEED = 1;

  private static final int WARP = 32;
  private static final int THREADS = 128;

  /** The functions of the vocabulary are within two units in the last place of the true value. */
  private static final int FUNCTION_ULPS = 2 * 2;

  /** A tensor core adds products to no more than the float's own width: relative to the terms. */
  private static final double MMA_ERROR = 1e-5;

  private final int[] in = new Random(INPUT_SEED).ints(CudaProbes.IN_WORDS).toArray();
  private SortedMap<String, int[]> probes;

  @BeforeEach
  void run() {
    Emulator emulator = Emulator.start("order=random landing=random");
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    assumeTrue(
        CudaDevice.class.getResource("probe.compute_80.ptx") != null,
        "skipped: this build has no CUDA kernels");
    try (CudaDevice device = CudaDevice.open(0)) {
      probes = CudaProbes.run(device, in);
    }
    assertThat(emulator.mistakes()).isEmpty();
  }

  /** What a probe wrote. */
  private int[] words(String probe) {
    return Objects.requireNonNull(probes.get(probe), probe);
  }

  private int[] probe(String name) {
    return words("probe_" + name);
  }

  @Test
  void ldmatrixGivesALaneTwoNeighboursOfARowOfEachMatrix() {
    for (int matrices : new int[] {2, 4}) {
      int[] rows = probe("ldmatrix_x" + matrices);
      int[] columns = probe("ldmatrix_x" + matrices + "_trans");
      for (int lane = 0; lane < WARP; lane++) {
        for (int m = 0; m < matrices; m++) {
          int at = matrices * lane + m;
          assertThat(rows[at])
              .isEqualTo(
                  pair(half(m, lane / 4, lane % 4 * 2), half(m, lane / 4, lane % 4 * 2 + 1)));
          assertThat(columns[at])
              .isEqualTo(
                  pair(half(m, lane % 4 * 2, lane / 4), half(m, lane % 4 * 2 + 1, lane / 4)));
        }
      }
    }
  }

  /** An element of a matrix whose rows the probe's lanes point at. */
  private int half(int matrix, int row, int column) {
    int memoryRow = (5 * (8 * matrix + row) + 3) % WARP;
    int word = in[memoryRow * 4 + column / 2];
    return column % 2 == 0 ? word & 0xFFFF : word >>> 16;
  }

  private static int pair(int low, int high) {
    return (high << 16) | low;
  }

  @Test
  void mmaMultipliesTheFragmentsThatTheIsaDescribes() {
    int[][] a = new int[16][16];
    int[][] b = new int[16][8];
    for (int lane = 0; lane < WARP; lane++) {
      for (int i = 0; i < 4; i++) {
        small(in[lane + i * WARP], a[lane / 4 + i % 2 * 8], lane % 4 * 2 + i / 2 * 8);
      }
      for (int i = 0; i < 2; i++) {
        int[] two = new int[2];
        small(in[lane + (4 + i) * WARP], two, 0);
        b[lane % 4 * 2 + i * 8][lane / 4] = two[0];
        b[lane % 4 * 2 + i * 8 + 1][lane / 4] = two[1];
      }
    }
    for (String type : List.of("bf16", "f16")) {
      int[] d = probe("mma_" + type + "_exact");
      for (int lane = 0; lane < WARP; lane++) {
        for (int i = 0; i < 4; i++) {
          int row = lane / 4 + i / 2 * 8;
          int column = lane % 4 * 2 + i % 2;
          int sum = 0;
          for (int k = 0; k < 16; k++) {
            sum += a[row][k] * b[k][column];
          }
          assertThat(Float.intBitsToFloat(d[4 * lane + i])).isEqualTo(sum);
        }
      }
    }
  }

  /** The two small numbers that the probe makes of a word. */
  private static void small(int word, int[] row, int column) {
    row[column] = Integer.remainderUnsigned(word, 16);
    row[column + 1] = Integer.remainderUnsigned(Integer.divideUnsigned(word, 16), 16);
  }

  @Test
  void copiesLandWhereTheyWereSentAndZerosWhereTheyWereNotValid() {
    for (String name : List.of("cp_async", "cp_async_stream")) {
      int[] out = probe(name);
      for (int group = 0; group < 3; group++) {
        for (int thread = 0; thread < THREADS; thread++) {
          int other = (thread + 33) % THREADS;
          for (int w = 0; w < 4; w++) {
            boolean valid = (other + group) % 3 != 0;
            assertThat(out[(group * THREADS + thread) * 4 + w])
                .isEqualTo(valid ? in[4 * (other % 32 * 2 + group) + w] : 0);
          }
        }
      }
    }
    int[] streamed = probe("load_stream");
    for (int i = 0; i < 4 * THREADS; i++) {
      assertThat(streamed[i]).isEqualTo(in[4 * ((i / 4) ^ 5) + i % 4]);
    }
  }

  @Test
  void numbersAreRoundedOnceToTheNearestEven() {
    int[] widened = probe("to_float");
    int[] arithmetic = probe("arithmetic");
    int[] rounded = probe("round");
    for (int i = 0; i < CudaProbes.IN_WORDS; i++) {
      assertSame(widened[4 * i], in[i] << 16);
      assertSame(widened[4 * i + 1], in[i] & 0xFFFF0000);
      assertSame(widened[4 * i + 2], bits(Float.float16ToFloat((short) in[i])));
      assertSame(widened[4 * i + 3], bits(Float.float16ToFloat((short) (in[i] >>> 16))));

      int next = in[(i + 1) % CudaProbes.IN_WORDS];
      float a = Float.intBitsToFloat(in[i]);
      float b = Float.intBitsToFloat(next);
      float x = moderate(in[i]);
      float y = moderate(next);
      assertSame(arithmetic[4 * i], bits(a * b + x));
      assertSame(arithmetic[4 * i + 1], bits(a / b));
      assertSame(arithmetic[4 * i + 2], bits(Math.fma(x, y, -(x + y))));
      assertSame(arithmetic[4 * i + 3], bits(x * y - (x + y)));

      if (!Float.isNaN(a)) {
        assertThat((short) rounded[4 * i]).isEqualTo(brain(a));
        assertThat((short) rounded[4 * i + 1]).isEqualTo(Float.floatToFloat16(a));
      }
      float tie = Float.intBitsToFloat((in[i] & 0xFFFF0000) | 0x8000);
      if (!Float.isNaN(tie)) {
        assertThat((short) rounded[4 * i + 2]).isEqualTo(brain(tie));
      }
    }
  }

  /** To the nearest bf16, ties to even. */
  private static short brain(float value) {
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  private static float moderate(int bits) {
    return Float.intBitsToFloat((bits & 0x807FFFFF) | ((126 + (bits >>> 23) % 4) << 23));
  }

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }

  private static void assertSame(int actual, int expected) {
    boolean bothNan =
        Float.isNaN(Float.intBitsToFloat(actual)) && Float.isNaN(Float.intBitsToFloat(expected));
    assertThat(bothNan || actual == expected).as("%08x, expected %08x", actual, expected).isTrue();
  }

  @Test
  void lanesExchangeValuesAndFoldThemAsAButterfly() {
    int[] out = probe("warp");
    float[] sums = new float[WARP];
    for (int lane = 0; lane < WARP; lane++) {
      sums[lane] = moderate(in[lane]);
    }
    float largest = Float.NEGATIVE_INFINITY;
    int ballot = 0;
    for (int lane = 0; lane < WARP; lane++) {
      largest = Math.max(largest, sums[lane]);
      ballot |= Integer.remainderUnsigned(in[lane], 3) == 0 ? 1 << lane : 0;
    }
    for (int mask = WARP / 2; mask > 0; mask /= 2) {
      float[] before = sums.clone();
      for (int lane = 0; lane < WARP; lane++) {
        sums[lane] = before[lane] + before[lane ^ mask];
      }
    }
    for (int lane = 0; lane < WARP; lane++) {
      assertThat(Arrays.copyOfRange(out, 6 * lane, 6 * lane + 6))
          .containsExactly(
              bits(sums[lane]),
              bits(largest),
              ballot,
              in[Integer.remainderUnsigned(in[lane], WARP)],
              in[lane ^ 21],
              bits(moderate(in[7])));
    }
  }

  @Test
  void aGpusRecordingIsWhatTheEmulatorDoes() throws IOException {
    assumeTrue(Files.isDirectory(GOLDEN), "skipped: no GPU has recorded its probes yet");
    try (Stream<Path> files = Files.list(GOLDEN)) {
      for (Path file : files.toList()) {
        for (String line : Files.readAllLines(file)) {
          String[] parts = line.split("\t", -1);
          int[] golden =
              Arrays.stream(parts[1].split(" ", -1)).mapToInt(HexFormat::fromHexDigits).toArray();
          assertLike(parts[0], words(parts[0]), golden, file);
        }
      }
    }
  }

  private static void assertLike(String name, int[] emulated, int[] golden, Path file) {
    assertThat(emulated).as("%s of %s", name, file).hasSameSizeAs(golden);
    boolean function = name.matches("probe_(exponential(_2)?|logarithm|tangent_h|inverse_root)");
    boolean sums = name.matches("probe_mma_b?f16");
    for (int i = 0; i < golden.length; i++) {
      float there = Float.intBitsToFloat(golden[i]);
      float here = Float.intBitsToFloat(emulated[i]);
      boolean same = golden[i] == emulated[i] || (Float.isNaN(there) && Float.isNaN(here));
      if (function) {
        same |= Math.abs(there - here) <= FUNCTION_ULPS * Math.ulp(there);
      } else if (sums) {
        same |= Math.abs(there - here) <= MMA_ERROR * Math.max(1, Math.abs(there));
      }
      assertThat(same)
          .as("%s of %s, word %d: %s there, %s here", name, file, i, there, here)
          .isTrue();
    }
  }
}
