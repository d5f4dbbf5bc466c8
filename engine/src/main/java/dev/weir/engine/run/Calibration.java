package dev.weir.engine.run;

import dev.weir.engine.model.StepBatch;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.StepWork;
import dev.weir.kernels.KvArena;
import java.time.Duration;

/**
 * Teaches a cost model with steps of made-up tokens, before the first request: one decode row,
 * prefill chunks of growing length, chunks deep in a context. Also warms up code and memory.
 */
final class Calibration {
  private static final int SLOT = 0;

  /**
   * Prefix and length of the steps, in the order of how much they teach. The first two warm up;
   * each that follows tells another term of the cost apart.
   */
  private static final int[][] CHUNKS = {
    {0, 1},
    {0, 16},
    {0, 1},
    {0, 16},
    {0, 64},
    {0, 1},
    {256, 16},
    {448, 1},
    {0, 128},
    {1024, 16},
    {2000, 1},
    {0, 256},
    {3000, 64},
    {4000, 1},
    {0, 1},
    {0, 32},
  };

  private final Transformer transformer;
  private final KvArena arena;
  private final StepBatch batch;
  private final Sampler sampler;
  private final CostModel cost;
  private final Clock clock;

  Calibration(
      Transformer transformer,
      KvArena arena,
      StepBatch batch,
      Sampler sampler,
      CostModel cost,
      Clock clock) {
    this.transformer = transformer;
    this.arena = arena;
    this.batch = batch;
    this.sampler = sampler;
    this.cost = cost;
    this.clock = clock;
  }

  /**
   * Runs the steps that fit, until {@code limit} is spent.
   *
   * @param deepest the longest a sequence can become
   * @param longest the most tokens of a step
   */
  void run(int deepest, int longest, Duration limit) {
    long started = clock.nanos();
    for (int i = 0; i < Sequence.blocksFor(deepest); i++) {
      batch.mapBlock(SLOT, i, i);
    }
    StepWork work = new StepWork();
    for (int[] chunk : CHUNKS) {
      int prefix = chunk[0];
      int length = Math.min(chunk[1], longest);
      if (prefix + length > deepest) {
        continue;
      }
      if (clock.nanos() - started > limit.toNanos()) {
        return;
      }
      batch.clear();
      batch.beginSlice(SLOT, prefix);
      work.clear();
      if (length == 1) {
        work.addDecode(prefix);
      } else {
        work.addPrefill(prefix, length);
      }
      for (int i = 0; i < length; i++) {
        batch.token(i % transformer.vocabulary());
      }
      batch.endSlice(true);
      long before = clock.nanos();
      transformer.forward(batch.upload(), arena);
      sampler.await();
      cost.learn(work, (double) (clock.nanos() - before));
    }
  }
}
