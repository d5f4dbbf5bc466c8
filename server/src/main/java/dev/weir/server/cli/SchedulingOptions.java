package dev.weir.server.cli;

import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How the time of steps is shared between prompts and streams, as the command line says it. */
final class SchedulingOptions {
  private static final double NANOS_PER_MILLI = 1e6;

  @Option(
      names = "--itl-target",
      paramLabel = "TARGET",
      converter = Target.class,
      description =
          "How long a step may take on average while prompts are read beside running streams: a"
              + " factor (1.25 lets the time between two tokens grow by a quarter) or"
              + " milliseconds (40ms). Default: 1.25.")
  private @Nullable LatencyTarget latencyTarget;

  @Option(
      names = "--worst-step",
      paramLabel = "FACTOR",
      description =
          "How much longer than its streams alone any one step may take. Default: ${DEFAULT-VALUE}.",
      defaultValue = "" + Scheduling.DEFAULT_WORST_STEP)
  private double worstStep = Scheduling.DEFAULT_WORST_STEP;

  @Option(
      names = "--max-prefills",
      paramLabel = "N",
      description =
          "Most prompts of more than 1,024 tokens that are read at the same time; shorter ones"
              + " do not wait for them. Default: ${DEFAULT-VALUE}.",
      defaultValue = "" + Scheduling.DEFAULT_MAX_PREFILLS)
  private int maxPrefills = Scheduling.DEFAULT_MAX_PREFILLS;

  @Option(
      names = "--policy",
      paramLabel = "POLICY",
      converter = PolicyName.class,
      description =
          "time-budget, or, to compare with: prefill-first, fixed-chunk=N. Default: time-budget.")
  private @Nullable Policy policy;

  Scheduling scheduling() {
    return new Scheduling(
        policy == null ? Scheduling.DEFAULT.policy() : policy,
        latencyTarget == null ? LatencyTarget.DEFAULT : latencyTarget,
        worstStep,
        maxPrefills);
  }

  /** {@code 1.25} or {@code 40ms}. */
  static final class Target implements ITypeConverter<LatencyTarget> {
    private static final Pattern FORM = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)(ms)?");

    @Override
    public LatencyTarget convert(String value) {
      Matcher matcher = FORM.matcher(value);
      if (!matcher.matches()) {
        throw new TypeConversionException(
            "'" + value + "' is neither a factor (1.25) nor milliseconds (40ms)");
      }
      double number = Double.parseDouble(matcher.group(1));
      try {
        return matcher.group(2) == null
            ? new LatencyTarget.Factor(number)
            : new LatencyTarget.Nanos(number * NANOS_PER_MILLI);
      } catch (IllegalArgumentException wrong) {
        throw new TypeConversionException(wrong.getMessage());
      }
    }
  }

  /** {@code time-budget}, {@code prefill-first} or {@code fixed-chunk=N}. */
  static final class PolicyName implements ITypeConverter<Policy> {
    private static final Pattern FIXED_CHUNK = Pattern.compile("fixed-chunk=([1-9][0-9]{0,8})");

    @Override
    public Policy convert(String value) {
      Matcher chunk = FIXED_CHUNK.matcher(value);
      if (chunk.matches()) {
        return new Policy.FixedChunk(Integer.parseInt(chunk.group(1)));
      }
      return switch (value) {
        case "time-budget" -> new Policy.TimeBudget();
        case "prefill-first" -> new Policy.PrefillFirst();
        default ->
            throw new TypeConversionException(
                "'"
                    + value
                    + "' is none of time-budget, prefill-first, fixed-chunk=N (for example"
                    + " fixed-chunk=512)");
      };
    }
  }
}
