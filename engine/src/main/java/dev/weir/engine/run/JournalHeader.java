package dev.weir.engine.run;

import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.TimeLimits;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a journal's first line says of a step loop, in both directions. */
public final class JournalHeader {
  private static final String FIXED_CHUNK = "fixed-chunk=";
  private static final String PREFILL_FIRST = "prefill-first";
  private static final String TIME_BUDGET = "time-budget";

  private JournalHeader() {}

  /**
   * The options of a loop.
   *
   * @param blocks KV blocks of each device
   * @param limit the longest a sequence can become
   */
  public static Map<String, Object> options(
      LoopOptions options, int devices, int blocks, int limit) {
    Scheduling scheduling = options.plan().scheduling();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("devices", devices);
    fields.put("lockstep", options.lockstep());
    fields.put("shards", options.shards());
    fields.put("slots", options.slots());
    fields.put("queue", options.queue());
    fields.put("blocks", blocks);
    fields.put("host_blocks", options.hostBlocks());
    fields.put("limit", limit);
    fields.put("reuse_prefixes", options.reusePrefixes());
    fields.put("lease_nanos", options.leaseNanos());
    fields.put("step_tokens", options.plan().stepTokens());
    fields.put("policy", name(scheduling.policy()));
    switch (scheduling.latencyTarget()) {
      case LatencyTarget.Factor(double factor) -> fields.put("itl_factor", factor);
      case LatencyTarget.Nanos(double nanos) -> fields.put("itl_nanos", nanos);
    }
    fields.put("worst_step", scheduling.worstStep());
    fields.put("max_prefills", scheduling.maxPrefills());
    return fields;
  }

  /** A policy as the command line has it. */
  public static String name(Policy policy) {
    return switch (policy) {
      case Policy.TimeBudget budget -> TIME_BUDGET;
      case Policy.PrefillFirst first -> PREFILL_FIRST;
      case Policy.FixedChunk(int tokens) -> FIXED_CHUNK + tokens;
    };
  }

  private static Policy policy(String name) {
    if (name.startsWith(FIXED_CHUNK)) {
      return new Policy.FixedChunk(Integer.parseInt(name.substring(FIXED_CHUNK.length())));
    }
    return switch (name) {
      case PREFILL_FIRST -> new Policy.PrefillFirst();
      case TIME_BUDGET -> new Policy.TimeBudget();
      default -> throw new IllegalArgumentException("the journal's policy is unknown: " + name);
    };
  }

  /**
   * How time was shared in the loop that a journal is of.
   *
   * @throws IllegalArgumentException if the header does not say it
   */
  public static Scheduling scheduling(JournalRecord.Header header) {
    Map<String, Object> options = header.options();
    LatencyTarget target =
        options.containsKey("itl_nanos")
            ? new LatencyTarget.Nanos(real(options, "itl_nanos"))
            : new LatencyTarget.Factor(real(options, "itl_factor"));
    return new Scheduling(
        policy(String.valueOf(options.get("policy"))),
        target,
        real(options, "worst_step"),
        integer(options, "max_prefills"));
  }

  /** The loop's options, with another scheduling, other shards and another queue. */
  public static LoopOptions loopOptions(
      JournalRecord.Header header, Scheduling scheduling, int shards, int queue) {
    Map<String, Object> options = header.options();
    return LoopOptions.of(
            shards,
            integer(options, "slots"),
            queue,
            integer(options, "limit"),
            Boolean.TRUE.equals(options.get("reuse_prefixes")),
            PlanLimits.of(integer(options, "step_tokens"), scheduling))
        .withLockstep(Boolean.TRUE.equals(options.get("lockstep")))
        .withHostBlocks(integer(options, "host_blocks"))
        .withTimes(
            TimeLimits.NONE, LoopOptions.NO_LIMIT, number(options, "lease_nanos").longValue());
  }

  /** A number of the header's options. */
  public static int integer(Map<String, Object> fields, String name) {
    return Math.toIntExact(number(fields, name).longValue());
  }

  private static double real(Map<String, Object> fields, String name) {
    return number(fields, name).doubleValue();
  }

  private static Number number(Map<String, Object> fields, String name) {
    if (fields.get(name) instanceof Number number) {
      return number;
    }
    throw new IllegalArgumentException("the journal's first line does not say '" + name + "'");
  }

  /** The ids that end a sequence of the model. */
  public static int[] endIds(JournalRecord.Header header) {
    return header.model().get("end_ids") instanceof List<?> ids
        ? ids.stream().mapToInt(id -> id instanceof Number n ? n.intValue() : -1).toArray()
        : new int[0];
  }
}
