package dev.weir.tests.gpucheck;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Terms;
import dev.weir.tests.bench.RandomModel;
import java.io.IOException;
import java.util.List;

/** The whole engine with random weights: decode at several batches, and cold prompts. */
final class EngineRuns {
  private static final String SECTION = "engine";

  /** A context that every batch fits with, and that published figures use. */
  private static final int DECODE_CONTEXT = 1024;

  private static final double WATCHED_SECONDS = 4;

  /** Host work per step is held against a target at this batch … */
  private static final int HOST_TARGET_BATCH = 32;

  /** … of so many microseconds. */
  private static final double HOST_TARGET_MICROS = 50;

  private EngineRuns() {}

  /** What is run, and how large. */
  private record Plan(
      List<RandomModel> models,
      int[] batches,
      int context,
      int[] prompts,
      int stepTokens,
      int watchedSteps) {
    static Plan of(boolean smoke) {
      return smoke
          ? new Plan(List.of(RandomModel.TINY), new int[] {1, 3}, 20, new int[] {60}, 32, 20)
          : new Plan(
              List.of(RandomModel.QWEN3_0_6B, RandomModel.LLAMA_3_1_8B, RandomModel.LLAMA_3_2_1B),
              new int[] {1, 8, 32, 128},
              DECODE_CONTEXT,
              new int[] {1024, 8192, 32_768},
              2048,
              200);
    }
  }

  static void run(Options options, Budget budget, Report report)
      throws IOException, InterruptedException {
    Plan plan = Plan.of(options.smoke());
    int left = plan.models.size();
    for (RandomModel model : plan.models) {
      Budget part = budget.share(1.0 / left--);
      if (part.spent()) {
        report.note(SECTION, model.option() + " was left out: no time was left");
        continue;
      }
      try (WorkFolder work = WorkFolder.open(options, bytes(model))) {
        run(plan, model, work, options, part, report);
      }
    }
  }

  /** Weights of these shapes in bf16, and a little. */
  static long bytes(RandomModel model) {
    return switch (model) {
      case QWEN3_0_6B -> 1_250L << 20;
      case LLAMA_3_2_1B -> 2_500L << 20;
      case LLAMA_3_1_8B -> 15_500L << 20;
      case TINY -> 32L << 20;
    };
  }

  private static void run(
      Plan plan, RandomModel model, WorkFolder work, Options options, Budget budget, Report report)
      throws IOException, InterruptedException {
    int longest = plan.prompts[plan.prompts.length - 1];
    int most = plan.batches[plan.batches.length - 1];
    long started = System.nanoTime();
    EngineOptions wanted =
        EngineOptions.of(model.write(work.folder()))
            .withDevice(options.device().choice())
            .withReusePrefixes(false)
            .withSlots(most)
            .withStepTokens(plan.stepTokens)
            .withContextLength(longest + 64);
    long written = System.nanoTime();
    try (Engine engine = Engine.open(wanted)) {
      report.row(
          Row.plain(SECTION, model.option() + " weights written", (written - started) / 1e9, "s"));
      report.row(
          Row.plain(SECTION, model.option() + " opened", (System.nanoTime() - written) / 1e9, "s"));
      for (int batch : plan.batches) {
        if (left(budget, model.option() + " decode, batch " + batch, report)) {
          decode(engine, model, batch, plan, options, report);
        }
      }
      for (int prompt : plan.prompts) {
        if (left(budget, model.option() + " prefill of " + prompt, report)) {
          prefill(engine, model, prompt, options, report);
        }
      }
    }
  }

  private static boolean left(Budget budget, String what, Report report) {
    if (budget.spent()) {
      report.note(SECTION, what + " was left out: no time was left");
      return false;
    }
    return true;
  }

  private static void decode(
      Engine engine, RandomModel model, int batch, Plan plan, Options options, Report report)
      throws InterruptedException {
    String name = "%s decode, batch %d × %d".formatted(model.option(), batch, plan.context);
    EngineLoad load = new EngineLoad(engine, options.seed());
    try {
      int most = engine.contextLength() - plan.context - 1;
      load.decode(batch, plan.context, Math.min(most, 4096), Terms.DEFAULT);
      load.watch(plan.watchedSteps / 10, WATCHED_SECONDS / 4);
      EngineLoad.Window window = load.watch(plan.watchedSteps, WATCHED_SECONDS);
      report.row(Row.plain(SECTION, name, window.tokensPerSecond(), "tok/s"));
      report.row(Row.plain(SECTION, name + ", a step", window.microsPerStep(), "µs"));
      double host = window.hostMicrosPerStep();
      Row hostRow = Row.plain(SECTION, name + ", host a step", host, "µs");
      report.row(batch == HOST_TARGET_BATCH ? hostRow.held(HOST_TARGET_MICROS / host, 1) : hostRow);
      report.row(
          Row.plain(SECTION, name + ", exposed of that", window.exposedMicrosPerStep(), "µs"));
    } finally {
      load.stop();
    }
  }

  private static void prefill(
      Engine engine, RandomModel model, int prompt, Options options, Report report)
      throws InterruptedException {
    double best = Double.POSITIVE_INFINITY;
    for (int round = 0; round < 2; round++) { // the first may still learn what steps cost
      long start = System.nanoTime();
      try (Generation generation =
          new EngineLoad(engine, options.seed() + round).submit(prompt, 1, Terms.DEFAULT)) {
        generation.await();
      }
      best = Math.min(best, (System.nanoTime() - start) / 1e9);
    }
    report.row(
        Row.plain(
            SECTION, "%s prefill of %d".formatted(model.option(), prompt), prompt / best, "tok/s"));
  }
}
