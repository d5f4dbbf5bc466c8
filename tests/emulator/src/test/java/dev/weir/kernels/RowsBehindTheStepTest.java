package dev.weir.kernels;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.emulator.Emulator;
import dev.weir.kernels.cuda.CudaDevice;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A recorded step is launched for more rows than it has. What stands behind the step's own rows,
 * parameters that mean nothing included, must neither be followed nor change what they give.
 */
class RowsBehindTheStepTest {
  private static final int TOKENS = 8;
  private static final int SIZE_CLASS = 4;
  private static final int DIM = 48;
  private static final int VOCABULARY = 2500;
  private static final int RESULT_INTS = SampleLayout.RESULT_BYTES / Integer.BYTES;
  private static final int UNTOUCHED = 0x5A5A5A5A;

  @Test
  void theStepsRowsAreSampledAndThoseBehindThemAreLeftAlone() {
    Emulator emulator = Emulator.start("mode=lazy order=random seed=5");
    assumeTrue(
        CudaDevice.unavailable().isEmpty(),
        () -> "skipped: " + CudaDevice.unavailable().orElseThrow());
    try (DeviceFixture fixture = new DeviceFixture(CudaDevice.open(0), DType.BF16)) {
      Random random = Seeds.random(1);
      Buffer residual = fixture.activations(DeviceFixture.normals(random, TOKENS * DIM));
      Buffer delta = fixture.activations(DeviceFixture.normals(random, TOKENS * DIM));
      Buffer weight = fixture.floats(DeviceFixture.normals(random, DIM));
      Buffer normed = fixture.activations(SIZE_CLASS * DIM);
      Buffer logits = fixture.floats(DeviceFixture.normals(random, SIZE_CLASS * VOCABULARY));
      Buffer results = fixture.ints(new int[SIZE_CLASS * RESULT_INTS]);
      SampleBuffers sound = buffers(fixture, SIZE_CLASS);
      fixture.kernels.sample(SIZE_CLASS, VOCABULARY, logits, sound, results);
      int[] expected = fixture.readInts(results, SIZE_CLASS * RESULT_INTS);

      for (int rows = SIZE_CLASS - 1; rows <= SIZE_CLASS; rows++) {
        SampleBuffers partly = buffers(fixture, rows);
        StepInputs step = sampling(fixture, rows);
        StepProgram program =
            sized -> {
              fixture.kernels.gatherAddRmsNorm(
                  sized, DIM, residual, delta, weight, Float64.EPSILON, normed);
              fixture.kernels.sample(sized.samples(), VOCABULARY, logits, partly, results);
            };
        for (int run = 0; run < 3; run++) { // launched, recorded, replayed
          int[] stale = new int[SIZE_CLASS * RESULT_INTS];
          Arrays.fill(stale, UNTOUCHED);
          fixture.device.write(results, 0, MemorySegment.ofArray(stale));
          fixture.device.compute(step, program);

          int[] read = fixture.readInts(results, SIZE_CLASS * RESULT_INTS);
          for (int r = 0; r < SIZE_CLASS; r++) {
            assertThat(read[r * RESULT_INTS])
                .as("token of row %s of %s", r, rows)
                .isEqualTo(r < rows ? expected[r * RESULT_INTS] : UNTOUCHED);
          }
          float[] gathered = fixture.readActivations(normed, SIZE_CLASS * DIM);
          for (int r = 0; r < SIZE_CLASS; r++) {
            float[] row = Arrays.copyOfRange(gathered, r * DIM, (r + 1) * DIM);
            assertThat(Arrays.equals(row, new float[DIM]))
                .as("row %s of %s is zeros", r, rows)
                .isEqualTo(r >= rows);
          }
        }
      }
      assertThat(emulator.mistakes()).isEmpty();
    }
  }

  /** So many sound rows: greedy, of all tokens, of a few. The rest would be a fault if followed. */
  private static SampleBuffers buffers(DeviceFixture fixture, int sound) {
    long[] parameters = new long[SIZE_CLASS * SampleLayout.ROW_BYTES / Long.BYTES];
    Arrays.fill(parameters, 0x7FFF_FFFF_7FFF_FFFFL);
    MemorySegment rows = MemorySegment.ofArray(parameters);
    for (int r = 0; r < sound; r++) {
      SampleRows.Row row = new SampleRows.Row(new float[0]);
      row.temperature = r == 0 ? 0 : 0.7f;
      row.topK = r > 1 ? 10 * r : 0;
      row.seed = r;
      SampleRows.write(
          row, rows.asSlice((long) r * SampleLayout.ROW_BYTES, SampleLayout.ROW_BYTES));
    }
    return new SampleBuffers(
        fixture.ints(rows.toArray(JAVA_INT)), fixture.ints(0), fixture.ints(0), fixture.ints(0));
  }

  private static StepInputs sampling(DeviceFixture fixture, int rows) {
    int[] tokens = {7, 0, 3, 3};
    Arrays.fill(tokens, rows, tokens.length, Integer.MAX_VALUE);
    Buffer none = fixture.ints(0);
    StepInputs step =
        new StepInputs(
            fixture.ints(TOKENS, 1, rows),
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            1,
            fixture.ints(tokens),
            null);
    step.counts(TOKENS, 1, rows);
    return step;
  }
}
