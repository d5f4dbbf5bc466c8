package dev.weir.tests.gpucheck;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.tests.bench.RandomModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Whole models through the whole engine: the demo model says what its trainer's own forward pass
 * says, and no bit depends on the schedule.
 */
final class ModelCheck {
  private static final String SECTION = "model";

  /**
   * Below this a step's choice between its two best tokens may fall otherwise where activations are
   * rounded to bf16.
   */
  private static final double CLEAR_MARGIN = 1;

  private static final String DEMO = "/dev/weir/server/demo-model/";
  private static final List<String> DEMO_FILES =
      List.of(
          "config.json",
          "generation_config.json",
          "model.safetensors",
          "tokenizer.json",
          "tokenizer_config.json");

  private ModelCheck() {}

  static void run(Options options, Budget budget, Report report)
      throws IOException, InterruptedException {
    try (WorkFolder work = WorkFolder.open(options, 64 << 20)) {
      Path demo = demoModel(work.folder().resolve("demo"));
      recorded(options, demo, report);
      schedules("demo model", demo, options, budget, report);
      Path tiny = RandomModel.TINY.write(work.folder());
      schedules("tiny model of random weights", tiny, options, budget, report);
    }
  }

  /** The demo model as the server carries it, as a folder. */
  private static Path demoModel(Path folder) throws IOException {
    Files.createDirectories(folder);
    for (String file : DEMO_FILES) {
      try (InputStream in = Engine.class.getResourceAsStream(DEMO + file)) {
        Files.copy(Objects.requireNonNull(in, file), folder.resolve(file));
      }
    }
    return folder;
  }

  private static EngineOptions engine(Options options, Path model) {
    return EngineOptions.of(model).withDevice(options.device().choice());
  }

  private static JsonNode reference() throws IOException {
    try (InputStream in =
        ModelCheck.class.getResourceAsStream("/dev/weir/tests/demo/reference.json")) {
      return JsonMapper.shared().readTree(Objects.requireNonNull(in, "reference.json"));
    }
  }

  private static void recorded(Options options, Path model, Report report)
      throws IOException, InterruptedException {
    int compared = 0;
    try (Engine engine = Engine.open(engine(options, model))) {
      report.fact("engine device", engine.deviceName());
      for (JsonNode one : reference().get("cases")) {
        int[] expected = ids(one.get("output_ids"));
        if (one.get("smallest_margin").asDouble() < CLEAR_MARGIN || expected.length == 0) {
          continue;
        }
        Request request =
            Request.of(Prompt.of(ids(one.get("prompt_ids"))), Sampling.greedy(expected.length));
        int[] drawn;
        try (Generation generation = engine.submit(request)) {
          drawn = generation.await().choices().getFirst().tokenIds();
        }
        if (!Arrays.equals(Arrays.copyOf(drawn, expected.length), expected)) {
          report.failed(
              SECTION,
              "recorded greedy continuation: " + one.get("name").asString(),
              "drew %s, recorded are %s"
                  .formatted(Arrays.toString(drawn), Arrays.toString(expected)));
          return;
        }
        compared++;
      }
    }
    if (compared == 0) {
      report.failed(SECTION, "recorded greedy continuations", "none is clear enough to compare");
    } else {
      report.passed(SECTION, "recorded greedy continuations", compared + " cases");
    }
  }

  private static int[] ids(JsonNode array) {
    return array.valueStream().mapToInt(JsonNode::asInt).toArray();
  }

  /** A way in which the engine may schedule many requests at once. */
  private record Schedule(String name, boolean graphs, UnaryOperator<EngineOptions> change) {}

  private static void schedules(
      String name, Path model, Options options, Budget budget, Report report)
      throws InterruptedException {
    List<Schedule> schedules =
        List.of(
            new Schedule("batched", true, changed -> changed),
            new Schedule(
                "in chunks of 16", true, changed -> changed.withSlots(4).withStepTokens(16)),
            new Schedule(
                "without the prefix index", true, changed -> changed.withReusePrefixes(false)),
            new Schedule("in 3 slots", true, changed -> changed.withSlots(3)),
            new Schedule("without CUDA graphs", false, changed -> changed));
    int each = options.smoke() ? 4 : 12;
    useGraphs(true);
    List<String> alone =
        answers(engine(options, model).withReusePrefixes(false), false, each, options.seed());
    for (Schedule schedule : schedules) {
      if (budget.spent()) {
        report.note(SECTION, name + " " + schedule.name + " was left out: no time was left");
        continue;
      }
      useGraphs(schedule.graphs);
      List<String> answers =
          answers(schedule.change.apply(engine(options, model)), true, each, options.seed());
      String check = name + ": the bits of a request alone and " + schedule.name;
      int wrong = 0;
      while (wrong < answers.size() && answers.get(wrong).equals(alone.get(wrong))) {
        wrong++;
      }
      if (wrong == answers.size()) {
        report.passed(SECTION, check, wrong + " requests");
      } else {
        report.failed(
            SECTION,
            check,
            "request %d: alone %s, now %s (repeat with --seed %d)"
                .formatted(wrong, alone.get(wrong), answers.get(wrong), options.seed()));
      }
    }
  }

  /** Read where a device is opened; this process checks one thing after the other. */
  private static void useGraphs(boolean graphs) {
    System.setProperty(CudaDevice.GRAPHS_PROPERTY, Boolean.toString(graphs));
  }

  /** Tokens and the bits of their logprobs, of requests drawn from the seed, as text. */
  private static List<String> answers(EngineOptions options, boolean together, int count, long seed)
      throws InterruptedException {
    Random random = new Random(seed);
    List<String> answers = new ArrayList<>();
    try (Engine engine = Engine.open(options)) {
      List<Generation> running = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        int length = 1 + random.nextInt(150);
        int vocabulary = Math.min(engine.config().vocabSize(), 200);
        int[] prompt = random.ints(length, 0, vocabulary).toArray();
        Sampling sampling =
            Sampling.builder()
                .temperature(i % 2 == 0 ? 0 : 0.9f)
                .topK(i % 4 == 1 ? 20 : 0)
                .seed(random.nextLong())
                .maxTokens(12)
                .ignoreEos(true)
                .logprobs(2)
                .build();
        running.add(engine.submit(Request.of(Prompt.of(prompt), sampling)));
        if (!together) {
          answers.add(text(running.removeLast().await()));
        }
      }
      for (Generation generation : running) {
        answers.add(text(generation.await()));
      }
    }
    return answers;
  }

  private static String text(Completion completion) {
    StringBuilder text = new StringBuilder();
    for (TokenEvent.Token token : completion.choices().getFirst().tokens()) {
      text.append(token.id()).append('@');
      text.append(Integer.toHexString(Float.floatToRawIntBits(token.logprob()))).append(' ');
    }
    return text.toString();
  }
}
