package dev.weir.server.cli;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.replay.CostFit;
import dev.weir.engine.replay.Latencies;
import dev.weir.engine.replay.Origins;
import dev.weir.engine.replay.Replan;
import dev.weir.engine.replay.Replay;
import dev.weir.engine.run.JournalException;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalHeader;
import dev.weir.engine.run.JournalRecord;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.ToLongFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs a journal again: for the same tokens, or under another schedule. */
@Command(
    name = "replay",
    customSynopsis = "weir replay FILE [OPTIONS]",
    sortOptions = false,
    description =
        "Run a journal of weir serve --journal again and compare every token; or plan its requests"
            + " again in another way.",
    footer = {
      "",
      "Examples:",
      "  weir replay night.journal",
      "  weir replay night.journal --simulate --policy prefill-first --policy time-budget",
      "  weir replay night.journal --simulate --itl-target 1.5 --shards 8 --devices 4",
      "",
      "Exit status: 0 the same tokens, 1 others (the first difference is named) or a failure, 2 bad",
      "options or no such journal, 3 the model cannot be loaded, 5 out of memory.",
    })
final class ReplayCommand implements Callable<Integer> {
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;
  private static final int COLUMN = 16;

  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Parameters(arity = "1", paramLabel = "FILE", description = "The journal.")
  @SuppressWarnings("NullAway.Init")
  private Path file;

  @Option(
      names = "--times",
      description =
          "Let each request wait for its time, on as many shards as the journal's one device had;"
              + " without it they come as fast as they can.")
  private boolean times;

  @Mixin private ModelOptions model = new ModelOptions();

  @ArgGroup(validate = false, heading = "%nWhat would have been (nothing is computed):%n")
  private SimulationOptions simulation = new SimulationOptions();

  static final class SimulationOptions {
    @Option(
        names = "--simulate",
        description =
            "Plan the same arrivals again on simulated devices, whose steps cost what the journal's"
                + " did, and print what callers would have seen beside what they saw.")
    private boolean simulate;

    @Option(
        names = "--policy",
        paramLabel = "POLICY",
        converter = SchedulingOptions.PolicyName.class,
        description =
            "time-budget, prefill-first or fixed-chunk=N; may be given several times. The journal's"
                + " own is always there.")
    private List<Policy> policies = new ArrayList<>();

    @Option(
        names = "--itl-target",
        paramLabel = "TARGET",
        converter = SchedulingOptions.Target.class,
        description = "As for weir serve. Default: the journal's.")
    private @Nullable LatencyTarget latencyTarget;

    @Option(names = "--shards", paramLabel = "N", description = "Default: the journal's.")
    private @Nullable Integer shards;

    @Option(
        names = "--devices",
        paramLabel = "N",
        description =
            "How many simulated devices, each with the KV memory of one. Default: the journal's.")
    private @Nullable Integer devices;
  }

  @Override
  public Integer call() throws InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    JournalFile journal;
    try {
      journal = JournalFile.read(file);
    } catch (JournalException e) {
      throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
    }
    if (!journal.closed()) {
      out.println("The journal was not closed: its engine was killed, or still runs.");
    }
    journal.cut().ifPresent(cut -> out.println(cut.getMessage() + "; what is before it is there."));
    if (journal.missing() > 0) {
      out.printf(
          "%,d records are missing: they came faster than they could be written.%n",
          journal.missing());
    }
    return simulation.simulate ? simulate(journal, out) : replay(journal, out);
  }

  private int replay(JournalFile journal, PrintWriter out) throws InterruptedException {
    Object recorded = journal.header().model().get("directory");
    Path directory = model.isNamed() || !(recorded instanceof String text) ? null : Path.of(text);
    boolean sameShards = times && recorded(journal, "devices") == 1;
    EngineOptions options =
        model.engineOptions(
            directory,
            spec.commandLine().getErr(),
            sameShards
                ? defaults -> defaults.withShards(recorded(journal, "shards"))
                : UnaryOperator.identity());
    try (Engine engine = ModelOptions.open(options)) {
      sayWhatDiffers(journal.header(), engine.journalHeader(), out);
      Replay.Result result = Replay.run(journal, engine, options.slots(), times);
      out.printf(
          Locale.ROOT,
          "%,d requests, %,d choices with %,d tokens compared%s.%n",
          journal.arrivals().size(),
          result.choices(),
          result.tokens(),
          result.left() == 0 ? "" : "; %,d had failed or had not ended".formatted(result.left()));
      sayWherePlaced(result.placed(), sameShards, out);
      if (result.difference().isEmpty()) {
        out.println("Every token is the same.");
        return ExitStatus.OK;
      }
      Replay.Difference first = result.difference().get();
      out.printf(
          "Request %d, choice %d differs at output token %d: %s in the journal, now %s.%n",
          first.request(),
          first.choice(),
          first.at(),
          token(first.recorded()),
          token(first.replayed()));
      return ExitStatus.FAILURE;
    }
  }

  /** Schedules may differ in this; tokens must not. */
  private static void sayWherePlaced(Replay.Placed placed, boolean sameShards, PrintWriter out) {
    if (placed.requests() == 0) {
      return;
    }
    Origins then = placed.recorded();
    Origins now = placed.replayed();
    out.printf(
        Locale.ROOT,
        "Of the prompts of %,d requests that were admitted once, in tokens:"
            + " %,d computed (now %,d), %,d shared (%,d), %,d copied (%,d), %,d restored (%,d).%n",
        placed.requests(),
        then.recomputed(),
        now.recomputed(),
        then.shared(),
        now.shared(),
        then.copied(),
        now.copied(),
        then.restored(),
        now.restored());
    if (sameShards && placed.first().isPresent()) {
      Replay.Moved moved = placed.first().get();
      out.printf(
          Locale.ROOT,
          "%,d of them ran on another shard; the first is request %d: shard %d, now %d.%n",
          placed.elsewhere(),
          moved.request(),
          moved.recorded(),
          moved.replayed());
    } else if (sameShards) {
      out.println("All of them ran on the same shards.");
    }
  }

  private static String token(int id) {
    return id < 0 ? "its end" : Integer.toString(id);
  }

  private static void sayWhatDiffers(
      JournalRecord.Header recorded, JournalRecord.Header now, PrintWriter out) {
    sayIfOther("Weir", recorded.version(), now.version(), out);
    sayIfOther(
        "the model's files", recorded.model().get("identity"), now.model().get("identity"), out);
    sayIfOther("the device", recorded.device(), now.device(), out);
  }

  private static void sayIfOther(
      String what, @Nullable Object then, @Nullable Object now, PrintWriter out) {
    if (then == null || !then.equals(now)) {
      out.printf("Not the same: %s was %s, is %s.%n", what, then, now);
    }
  }

  private int simulate(JournalFile journal, PrintWriter out) {
    try {
      Replan replan = new Replan(journal);
      Scheduling recorded = JournalHeader.scheduling(journal.header());
      Scheduling base =
          simulation.latencyTarget == null
              ? recorded
              : recorded.withLatencyTarget(simulation.latencyTarget);
      int shards = orRecorded(simulation.shards, journal, "shards");
      int devices = orRecorded(simulation.devices, journal, "devices");
      boolean same =
          base.equals(recorded)
              && shards == recorded(journal, "shards")
              && devices == recorded(journal, "devices");
      List<Policy> policies =
          simulation.policies.isEmpty() && !same ? List.of(recorded.policy()) : simulation.policies;
      // What others are to be compared with: the same schedule on the same undisturbed steps.
      List<String> names = new ArrayList<>(List.of("measured", "simulated"));
      List<Replan.Schedule> columns = new ArrayList<>();
      columns.add(replan.recorded());
      columns.add(
          replan.simulated(recorded, recorded(journal, "shards"), recorded(journal, "devices")));
      for (Policy policy : policies) {
        names.add(JournalHeader.name(policy));
        columns.add(replan.simulated(base.withPolicy(policy), shards, devices));
      }
      sayWhatStepsCost(replan.fit(), journal.arrivals().size(), out);
      table(names, columns, out);
      out.printf(
          "%nmeasured: what callers saw; simulated: the same schedule (%s) on undisturbed steps.%n",
          JournalHeader.name(recorded.policy()));
      return ExitStatus.OK;
    } catch (IllegalArgumentException e) {
      throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
    }
  }

  private static void sayWhatStepsCost(CostFit.Fit fit, int requests, PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "%,d requests; a step costs %.3f ms + %.4f ms per token + %.3f ms per million pairs of"
            + " prefill + %.3f ms per million tokens of decode context, and %.3f ms before the"
            + " next%n",
        requests,
        fit.cost().fixedNanos() / NANOS_PER_MILLI,
        fit.cost().tokenNanos() / NANOS_PER_MILLI,
        fit.cost().pairNanos(),
        fit.cost().contextNanos(),
        fit.hostNanos() / NANOS_PER_MILLI);
    if (fit.disturbed() > 0) {
      out.printf(
          Locale.ROOT,
          "%,d steps with %.0f %% of the time of all were disturbed (they took several times what"
              + " such steps take) and count as what the others say%n",
          fit.disturbed(),
          100 * fit.disturbedShare());
    }
    out.println();
  }

  private static int orRecorded(@Nullable Integer asked, JournalFile journal, String name) {
    return asked == null ? recorded(journal, name) : asked;
  }

  private static int recorded(JournalFile journal, String name) {
    return JournalHeader.integer(journal.header().options(), name);
  }

  private static void table(List<String> names, List<Replan.Schedule> schedules, PrintWriter out) {
    List<Latencies> columns = schedules.stream().map(Replan.Schedule::latencies).toList();
    List<Origins> origins = schedules.stream().map(Replan.Schedule::origins).toList();
    row(out, "", names);
    millis(out, "between tokens, p50 ms", columns, it -> quantile(it.betweenTokens(), 0.5));
    millis(out, "between tokens, p90 ms", columns, it -> quantile(it.betweenTokens(), 0.9));
    millis(out, "between tokens, p99 ms", columns, it -> quantile(it.betweenTokens(), 0.99));
    millis(out, "worst gap, ms", columns, it -> quantile(it.betweenTokens(), 1));
    millis(out, "first token, p50 ms", columns, it -> quantile(it.firstToken(), 0.5));
    millis(out, "first token, p90 ms", columns, it -> quantile(it.firstToken(), 0.9));
    millis(out, "first token, worst ms", columns, it -> quantile(it.firstToken(), 1));
    row(
        out,
        "in all, s",
        columns.stream()
            .map(it -> String.format(Locale.ROOT, "%.2f", it.lastsNanos() / NANOS_PER_SECOND))
            .toList());
    row(
        out,
        "steps",
        columns.stream().map(it -> String.format(Locale.ROOT, "%,d", it.steps())).toList());
    tokens(out, "tokens computed", origins, Origins::recomputed);
    tokens(out, "shared", origins, Origins::shared);
    tokens(out, "copied", origins, Origins::copied);
    tokens(out, "restored", origins, Origins::restored);
  }

  private static void tokens(
      PrintWriter out, String name, List<Origins> columns, ToLongFunction<Origins> value) {
    row(
        out,
        name,
        columns.stream()
            .map(it -> String.format(Locale.ROOT, "%,d", value.applyAsLong(it)))
            .toList());
  }

  private static long quantile(long[] sorted, double share) {
    return Latencies.quantile(sorted, share);
  }

  private static void millis(
      PrintWriter out, String name, List<Latencies> columns, ToLongFunction<Latencies> value) {
    row(
        out,
        name,
        columns.stream()
            .map(it -> String.format(Locale.ROOT, "%.2f", value.applyAsLong(it) / NANOS_PER_MILLI))
            .toList());
  }

  private static void row(PrintWriter out, String name, List<String> values) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-24s", name));
    for (String value : values) {
      line.append(String.format(Locale.ROOT, "%" + COLUMN + "s", value));
    }
    out.println(line);
  }
}
