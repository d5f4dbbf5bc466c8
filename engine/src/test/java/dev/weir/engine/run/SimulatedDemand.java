package dev.weir.engine.run;

import dev.weir.engine.run.SimulatedTraffic.Visit;
import dev.weir.engine.simulate.StepCost;
import dev.weir.kernels.KvShape;

/**
 * What a request costs a simulated device at most, if nobody shares a step with it and nothing of
 * its context is found. Steps that serve several cost less than the sum of these.
 *
 * @param noise steps take up to this part longer than they should
 * @param chunk tokens of a step that does nothing but prefill
 * @param blockNanos what the copy of a block takes
 */
record SimulatedDemand(double noise, int chunk, long blockNanos) {
  private static final StepCost COST = StepCost.GPU;

  /** The most blocks that are copied in front of a context, as others' are spilled. */
  private static final int SPILLED_BEFORE = 64;

  /** Nanoseconds for all choices, to the last token that they may draw. */
  double nanos(Visit visit) {
    int prompt = visit.prompt.length;
    int choices = visit.request.choices();
    int outputs = visit.request.sampling().maxTokens();
    double chunks = Math.ceil((double) prompt / chunk) + 1; // the first one may be cut short
    double prefill =
        chunks * COST.fixedNanos() + prompt * (COST.tokenNanos() + COST.pairNanos() * prompt / 2);
    // The others compute what follows the last full block.
    double sibling =
        2 * COST.fixedNanos()
            + KvShape.BLOCK_TOKENS * (COST.tokenNanos() + COST.pairNanos() * prompt);
    // One more row is computed after the last token: it was launched before that was seen.
    double decode =
        (outputs + 1)
            * (COST.fixedNanos() + COST.tokenNanos() + COST.contextNanos() * (prompt + outputs));
    double copies = (double) blockNanos * (Sequence.blocksFor(prompt) + SPILLED_BEFORE);
    return (1 + noise) * (prefill + (choices - 1) * sibling + choices * decode) + choices * copies;
  }
}
