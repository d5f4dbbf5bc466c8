package dev.weir.engine.run;

import dev.weir.engine.kv.BlockTable;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.StepWork;
import dev.weir.engine.request.Sampling;
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

  /** A device that records steps has done so when it has seen a frame's step of some size twice. */
  private static final int REHEARSALS = 2;

  private static final Sampling SAMPLING = Sampling.greedy(1);

  private final StepFrames frames;
  private final int firstBlock;
  private final CostModel cost;
  private final Clock clock;
  private final StepWork work = new StepWork();

  /**
   * @param firstBlock of the device, whose blocks the steps write
   */
  Calibration(StepFrames frames, int firstBlock, CostModel cost, Clock clock) {
    this.frames = frames;
    this.firstBlock = firstBlock;
    this.cost = cost;
    this.clock = clock;
  }

  /**
   * Runs the steps that fit, until {@code limit} is spent.
   *
   * @param deepest the longest a sequence can become
   * @param longest the most tokens of a step
   * @param vocabulary tokens are below this
   */
  void run(int deepest, int longest, int vocabulary, Duration limit) {
    long started = clock.nanos();
    BlockTable blocks = new BlockTable(Sequence.blocksFor(deepest));
    for (int i = 0; i < Sequence.blocksFor(deepest); i++) {
      blocks.add(firstBlock + i);
    }
    for (int[] chunk : CHUNKS) {
      int prefix = chunk[0];
      int length = Math.min(chunk[1], longest);
      if (prefix + length > deepest) {
        continue;
      }
      int rehearsals = frames.count() > 1 ? REHEARSALS * frames.count() : 0;
      for (int i = rehearsals; i >= 0; i--) {
        if (clock.nanos() - started > limit.toNanos()) {
          return;
        }
        StepFrame frame = frames.next();
        fill(frame, blocks, prefix, length, vocabulary);
        long before = clock.nanos();
        frame.launch(before);
        frames.launched();
        frame.await(clock);
        frames.completed();
        if (i == 0) {
          cost.learn(work, (double) (clock.nanos() - before));
        }
      }
    }
  }

  private void fill(StepFrame frame, BlockTable blocks, int prefix, int length, int vocabulary) {
    work.clear();
    if (length == 1) {
      work.addDecode(prefix);
    } else {
      work.addPrefill(prefix, length);
    }
    frame.clear();
    frame.batch().beginSlice(SLOT, blocks, prefix);
    for (int i = 0; i < length; i++) {
      frame.batch().token(i % vocabulary);
    }
    frame.batch().endSlice(true);
    frame.sampler().add(SAMPLING, 0, prefix + length);
  }
}
