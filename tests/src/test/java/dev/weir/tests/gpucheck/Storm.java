package dev.weir.tests.gpucheck;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TokenEvent;
import dev.weir.tests.bench.RandomModel;
import java.io.IOException;

/**
 * The case that Weir was founded on: sequences decode, and a prompt of 100K tokens arrives. What
 * happens to the others, and how long does it take?
 */
final class Storm {
  private static final String SECTION = "storm";

  /** What decode may lose while the prompt is computed: the engine's own default target. */
  private static final double RETAINED = 0.75;

  private static final int SHARDS = 2;

  /** Where the sequences decode. */
  private static final Terms DECODES = Terms.DEFAULT.withShard(0);

  /** Where the prompt comes to: on another shard of the same device. */
  private static final Terms PROMPT = Terms.DEFAULT.withShard(1);

  private Storm() {}

  private record Plan(
      RandomModel model, int batch, int context, int prompt, int stepTokens, int watchedSteps) {
    static Plan of(boolean smoke) {
      return smoke
          ? new Plan(RandomModel.TINY, 3, 30, 300, 32, 10)
          : new Plan(RandomModel.LLAMA_3_1_8B, 32, 4096, 100_000, 2048, 100);
    }
  }

  static void run(Options options, Budget budget, Report report)
      throws IOException, InterruptedException {
    Plan plan = Plan.of(options.smoke());
    try (WorkFolder work = WorkFolder.open(options, EngineRuns.bytes(plan.model))) {
      EngineOptions wanted =
          EngineOptions.of(plan.model.write(work.folder()))
              .withDevice(options.device().choice())
              .withReusePrefixes(false)
              .withShards(SHARDS)
              .withSlots(SHARDS * plan.batch)
              .withStepTokens(plan.stepTokens)
              .withContextLength(plan.prompt + 64);
      try (Engine engine = Engine.open(wanted)) {
        storm(plan, engine, new EngineLoad(engine, options.seed()), budget, report);
      }
    }
  }

  private static void storm(Plan plan, Engine engine, EngineLoad load, Budget budget, Report report)
      throws InterruptedException {
    int most = engine.contextLength() - plan.context - 1;
    load.decode(plan.batch, plan.context, most, DECODES);
    load.watch(plan.watchedSteps / 5, 1);
    EngineLoad.Window before = load.watch(plan.watchedSteps, 3);

    EngineStats start = engine.stats();
    long from = System.nanoTime();
    boolean came;
    double worst;
    EngineStats end;
    long to;
    try (Generation prompt = load.submit(plan.prompt, 2, PROMPT)) {
      Gap gap = new Gap(load.last());
      Thread watcher = Thread.ofPlatform().name("storm-gap").start(gap);
      came = arrives(prompt, budget);
      to = System.nanoTime();
      end = engine.stats();
      gap.done = true;
      watcher.join();
      worst = gap.worst / 1e6;
    }
    EngineLoad.Window during = EngineLoad.between(start, from, end, to);
    EngineLoad.Window after = load.watch(plan.watchedSteps, 3);

    String what =
        "%d × %d decode, %d tokens arrive".formatted(plan.batch, plan.context, plan.prompt);
    report.row(Row.plain(SECTION, what + ": before", before.tokensPerSecond(), "tok/s"));
    Row retained = Row.plain(SECTION, what + ": meanwhile", during.tokensPerSecond(), "tok/s");
    report.row(retained.held(during.tokensPerSecond() / before.tokensPerSecond(), RETAINED));
    report.row(Row.plain(SECTION, what + ": after", after.tokensPerSecond(), "tok/s"));
    report.row(Row.plain(SECTION, what + ": a step before", before.microsPerStep() / 1e3, "ms"));
    report.row(
        Row.plain(SECTION, what + ": worst gap between two tokens of a stream", worst, "ms"));
    if (came) {
      report.row(Row.plain(SECTION, what + ": its first token after", (to - from) / 1e9, "s"));
      report.passed(SECTION, "the prompt is answered while the others decode", "");
    } else {
      report.note(SECTION, "the prompt was not done when the time was over");
    }
  }

  /** Whether the prompt's first token came before the time was over. */
  private static boolean arrives(Generation prompt, Budget budget) throws InterruptedException {
    Thread end =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    Thread.sleep((long) (budget.seconds() * 1e3));
                    prompt.cancel();
                  } catch (InterruptedException e) {
                    // it came in time
                  }
                });
    TokenEvent first = prompt.next();
    end.interrupt();
    return first instanceof TokenEvent.Token;
  }

  /** The longest a stream was silent. */
  private static final class Gap implements Runnable {
    private final Generation stream;
    private volatile boolean done;
    private volatile long worst;

    Gap(Generation stream) {
      this.stream = stream;
    }

    @Override
    public void run() {
      try {
        // What is waiting was drawn before.
        long last = System.nanoTime();
        while (!done) {
          if (!(stream.next() instanceof TokenEvent.Token)) {
            return;
          }
          long now = System.nanoTime();
          worst = Math.max(worst, now - last);
          last = now;
        }
      } catch (InterruptedException e) {
        throw new IllegalStateException("nobody interrupts this", e);
      }
    }
  }
}
