package dev.weir.engine.run;

import dev.weir.engine.request.Request;
import java.util.List;
import java.util.Map;

/** One line of a {@link Journal}: what a step loop did, in the order in which it did it. */
public sealed interface JournalRecord {

  /**
   * The first line: what ran.
   *
   * @param version of Weir
   * @param model of the model: {@code directory}, {@code identity} (see {@link ModelIdentity}),
   *     {@code vocabulary}, {@code end_ids}
   * @param device what computed
   * @param options of the engine, by name
   */
  record Header(
      String version, Map<String, Object> model, String device, Map<String, Object> options)
      implements JournalRecord {}

  /**
   * The loop took a request. It may have waited for the end of a step.
   *
   * @param number of the request, from 0
   * @param nanos when it came, on the loop's clock, whose origin is arbitrary
   * @param request with the prompt's token ids, and the seed that it was given if it had none
   */
  record Arrival(long number, long nanos, Request request) implements JournalRecord {}

  /**
   * A sequence was admitted: for the first time, or again after it was preempted or its context was
   * lost on its way. All of its tokens are one of the four, as it was decided then: where a copy
   * fails they are computed.
   *
   * @param request number of its request
   * @param choice which continuation
   * @param nanos when, on the loop's clock
   * @param shard which shard it runs on
   * @param shared tokens whose KV lies on the shard's device already
   * @param copied tokens whose KV is copied from other devices
   * @param restored tokens whose KV is copied from host memory
   * @param recomputed tokens that are to be computed, for the first time or again
   */
  record Placement(
      long request,
      int choice,
      long nanos,
      int shard,
      int shared,
      int copied,
      int restored,
      int recomputed)
      implements JournalRecord {}

  /**
   * A step is done.
   *
   * @param device which device
   * @param endNanos when, on the loop's clock
   * @param nanos how long the device took
   * @param predictedNanos how long the cost model had expected
   * @param tokens all tokens of the step
   * @param prefillPairs query–key pairs of its prompt chunks
   * @param context KV lengths of its decode rows, added up
   * @param entries what was computed of which sequence
   */
  record Step(
      int device,
      long endNanos,
      long nanos,
      long predictedNanos,
      int tokens,
      double prefillPairs,
      double context,
      List<Entry> entries)
      implements JournalRecord {}

  /**
   * A sequence's part of a step.
   *
   * @param request number of its request
   * @param choice which continuation
   * @param length how many of its tokens were computed
   * @param drew whether its next token was drawn
   */
  record Entry(long request, int choice, int length, boolean drew) {}

  /**
   * A choice ended.
   *
   * @param request number of its request
   * @param choice which continuation
   * @param nanos when, on the loop's clock
   * @param reason why, as {@link dev.weir.engine.request.FinishReason} has it; {@link #FAILED} for
   *     none of these
   * @param output the ids that were drawn
   */
  record End(long request, int choice, long nanos, String reason, int... output)
      implements JournalRecord {

    /** The reason of a choice that ended by an error. */
    public static final String FAILED = "FAILED";
  }

  /**
   * Records are missing here: the loop does not wait for its journal.
   *
   * @param records how many
   */
  record Gap(long records) implements JournalRecord {}

  /** The last line: the engine was closed in order. */
  record Closed() implements JournalRecord {}
}
