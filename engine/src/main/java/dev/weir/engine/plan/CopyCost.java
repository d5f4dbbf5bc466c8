package dev.weir.engine.plan;

/**
 * What copies of blocks to a device take, learnt from batches that were measured: {@code t = a +
 * b·n} for a batch of n blocks. The fixed part is what a batch waits for before its first block
 * moves, so it is not a block's: a batch of few blocks says little of what many take. Weighted
 * least squares with forgetting (Haykin, Adaptive Filter Theory, ch. 9), times in nanoseconds. One
 * for each device; not thread-safe.
 *
 * <p>What is fitted is the relative error, and a batch is weighed by its predicted time if that is
 * longer than its measured one: one that took ρ times its prediction pulls with (1 − 1/ρ)/ρ. When a
 * batch was done may be known only within bounds: then the prediction is moved no further than
 * these ask.
 *
 * <p>What is not copied is not measured. So who has to choose asks for {@link #leastNanos}, what it
 * may take at best (Li et al., A Contextual-Bandit Approach, 2010): sizes that were never measured
 * are tried, and what speaks against copies is believed the less the longer nobody has tried.
 */
public final class CopyCost {
  /** Keeps about the last ten batches. */
  private static final double FORGETTING = 0.9;

  /** What one measurement is wrong by, as a part of itself. */
  private static final double NOISE = 0.1;

  /** With fewer measurements left than this, even a batch like those may take no time at all. */
  private static final double LEAST_EVIDENCE = NOISE * NOISE / 4;

  /**
   * Against the weight of all measurements. Decides how time is parted where all batches had one
   * size: as evenly as can be between a batch's start and the blocks of a full one. So small that
   * any real difference of sizes decides otherwise.
   */
  private static final double PRIOR = 1e-5;

  private final int fullBatch;

  /** Of a batch, and of all blocks of a full one; never negative. */
  private double fixed;

  private double full;

  /** How many measurements are remembered, each the less the older it is. */
  private double evidence;

  // Weighted sums over batches of n = fullBatch · x blocks: of 1, x, x², t and x·t.
  private double weights;
  private double sizes;
  private double squares;
  private double times;
  private double products;

  /**
   * @param fullBatch the most blocks of a batch
   * @param firstNanosPerBlock what a block is thought to take before anything was measured
   */
  public CopyCost(int fullBatch, double firstNanosPerBlock) {
    this.fullBatch = fullBatch;
    full = fullBatch * firstNanosPerBlock;
  }

  /** Predicted time of so many blocks, one batch after the other. */
  public double nanos(long blocks) {
    return Math.ceilDiv(blocks, fullBatch) * fixed + (double) blocks / fullBatch * full;
  }

  /** What so many blocks may take at best, as far as is known. */
  public double leastNanos(long blocks) {
    if (evidence == 0) {
      return nanos(blocks);
    }
    double batches = Math.ceilDiv(blocks, fullBatch);
    double size = (double) blocks / fullBatch;
    double ofOne = weights * (1 + PRIOR);
    double ofSquares = squares + weights * PRIOR;
    double variance =
        (batches * batches * ofSquares - 2 * batches * size * sizes + size * size * ofOne)
            / (ofOne * ofSquares - sizes * sizes);
    return Math.max(0, nanos(blocks) - NOISE * Math.sqrt(variance));
  }

  /**
   * Learns from a batch.
   *
   * @param blocks above 0
   * @param atLeast it was not done after so many nanoseconds …
   * @param atMost … and was after so many; not above 0: it is not believed
   */
  public void learn(int blocks, double atLeast, double atMost) {
    assert atLeast <= atMost;
    double predicted = nanos(blocks);
    double took = Math.clamp(predicted, atLeast, atMost);
    boolean nothingNew = atLeast < predicted && predicted < atMost;
    if (nothingNew || !(took > 0)) {
      return;
    }
    double scale = evidence == 0 ? took : Math.max(took, predicted);
    double weight = 1 / (scale * scale);
    double size = (double) blocks / fullBatch;
    forget();
    evidence += 1;
    weights += weight;
    sizes += weight * size;
    squares += weight * size * size;
    times += weight * took;
    products += weight * size * took;
    fit();
  }

  /** Nobody tried: a copy was thought to take too long. */
  public void refused() {
    if (evidence > LEAST_EVIDENCE) {
      forget();
    }
  }

  private void forget() {
    evidence *= FORGETTING;
    weights *= FORGETTING;
    sizes *= FORGETTING;
    squares *= FORGETTING;
    times *= FORGETTING;
    products *= FORGETTING;
  }

  private void fit() {
    double ofOne = weights * (1 + PRIOR);
    double ofSquares = squares + weights * PRIOR;
    double determinant = ofOne * ofSquares - sizes * sizes;
    fixed = (times * ofSquares - products * sizes) / determinant;
    full = (products * ofOne - times * sizes) / determinant;
    if (fixed < 0) {
      fixed = 0;
      full = products / ofSquares;
    } else if (full < 0) {
      full = 0;
      fixed = times / ofOne;
    }
  }
}
