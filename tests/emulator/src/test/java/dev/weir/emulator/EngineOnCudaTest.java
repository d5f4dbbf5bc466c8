package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.SharedData;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The whole engine on the emulated GPU, which does what it is told as late as a real one may: real
 * tokens of a real model, the same bits whatever the schedule, and typed errors where the device
 * fails.
 */
class EngineOnCudaTest {
  private static final String GPU = "mode=lazy kernels=fast";
  private static final String MODEL = "models/stories260K";

  /** As in the engine's own reference test: rounding to 16 bits moves logits by less than half. */
  private static final double CLEAR_MARGIN = 1.0;

  /** Every token of a prompt's answer costs an emulated step. */
  private static final int MOST_TOKENS = 12;

  private static final int REQUESTS = 6;

  /** TinyModel's: keys and values of 2 layers, 2 heads of 8, in 16 bits. */
  private static final long KV_TOKEN_BYTES = 2 * 2 * 2 * 8 * Short.BYTES;

  private static final String NO_GPU = "a machine without these tests' conditions";

  @TempDir Path folder;

  @AfterEach
  void graphsAsEver() {
    System.clearProperty(CudaDevice.GRAPHS_PROPERTY);
  }

  private static Emulator gpu(String settings) {
    Emulator emulator = Emulator.start((GPU + " " + settings).strip());
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElse(NO_GPU));
    assumeTrue(
        CudaDevice.class.getResource("attention.compute_80.ptx") != null,
        "skipped: this build's attention has no CUDA kernels");
    return emulator;
  }

  private Path tiny() {
    return TinyModel.write(folder, DType.BF16, 1);
  }

  private static EngineOptions options(Path model) {
    return EngineOptions.of(model)
        .withDevice(DeviceChoice.CUDA)
        .withSlots(REQUESTS)
        .withKvBytes(8 << 20);
  }

  private static List<Request> requests() {
    int[] lengths = {1, 63, 64, 65, 30, 130};
    return IntStream.range(0, REQUESTS).mapToObj(i -> request(i, lengths[i], 10 + i)).toList();
  }

  private static Request request(int seed, int promptLength, int outputs) {
    int[] prompt = new Random(seed).ints(promptLength, 0, TinyModel.VOCABULARY).toArray();
    Sampling sampling =
        Sampling.builder()
            .temperature(seed % 2)
            .topK(seed % 3 * 20)
            .repetitionPenalty(seed == 4 ? 1.2f : 1)
            .seed(seed)
            .ignoreEos(true)
            .maxTokens(outputs)
            .logprobs(2)
            .build();
    return Request.of(Prompt.of(prompt), sampling);
  }

  private static List<Completion.Choice> serve(Engine engine, List<Request> requests)
      throws InterruptedException {
    List<Generation> generations = requests.stream().map(engine::submit).toList();
    List<Completion.Choice> choices = new ArrayList<>();
    for (Generation generation : generations) {
      choices.add(generation.await().choices().getFirst());
    }
    return choices;
  }

  private static void assertNothingLeft(Emulator emulator) {
    assertThat(emulator.mistakes()).isEmpty();
    assertThat(emulator.count("allocations")).isZero();
    assertThat(emulator.count("pinned")).isZero();
    assertThat(emulator.count("graphs")).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"bf16", "f16"})
  void theRealModelSaysWhatTheReferenceSaysWhileThatIsSure(String variant)
      throws IOException, InterruptedException {
    Path model = variant(variant);
    Emulator emulator = gpu("");
    JsonNode reference =
        JsonMapper.shared().readTree(SharedData.require(MODEL + "/reference.json").toFile());
    List<Request> requests = new ArrayList<>();
    List<int[]> expected = new ArrayList<>();
    for (JsonNode one : reference.get("cases")) {
      double[] margins =
          one.get("steps").valueStream().mapToDouble(s -> s.get("margin").asDouble()).toArray();
      int clear = 0;
      while (clear < Math.min(margins.length, MOST_TOKENS) && margins[clear] >= CLEAR_MARGIN) {
        clear++;
      }
      if (clear > 0) {
        requests.add(Request.of(Prompt.of(ids(one.get("prompt_ids"))), Sampling.greedy(clear)));
        expected.add(Arrays.copyOf(ids(one.get("output_ids")), clear));
      }
    }
    assertThat(expected.stream().mapToInt(ids -> ids.length).sum()).isGreaterThan(20);
    try (Engine engine = Engine.open(options(model))) {
      assertThat(engine.deviceName()).startsWith("cuda:0");
      List<Completion.Choice> choices = serve(engine, requests);
      for (int i = 0; i < expected.size(); i++) {
        assertThat(choices.get(i).tokenIds()).as("case %d", i).isEqualTo(expected.get(i));
      }
      assertThat(engine.stats().heldBlocks()).isZero();
    }
    assertNothingLeft(emulator);
  }

  private static int[] ids(JsonNode json) {
    return json.valueStream().mapToInt(JsonNode::asInt).toArray();
  }

  private Path variant(String name) throws IOException {
    Path model = SharedData.require(MODEL);
    for (String file :
        List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json")) {
      Files.copy(model.resolve(file), folder.resolve(file));
    }
    try (Stream<Path> files = Files.list(model.resolve("variants").resolve(name))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    return folder;
  }

  @Test
  void aRequestHasTheSameBitsAloneBatchedChunkedWarmPreemptedAndWithoutGraphs()
      throws InterruptedException {
    Emulator emulator = gpu("");
    EngineOptions options = options(tiny());
    List<Request> requests = requests();
    // They grow by two blocks each, and both are admitted where there are four.
    List<Request> growing = List.of(request(6, 63, 70), request(7, 62, 70));
    List<Completion.Choice> alone = new ArrayList<>();
    List<Completion.Choice> grown = new ArrayList<>();
    try (Engine engine = Engine.open(options.withReusePrefixes(false))) {
      for (Request request : requests) {
        alone.addAll(serve(engine, List.of(request)));
      }
      for (Request request : growing) {
        grown.addAll(serve(engine, List.of(request)));
      }
    }
    try (Engine engine = Engine.open(options)) {
      assertThat(serve(engine, requests)).as("together").isEqualTo(alone);
      assertThat(serve(engine, requests)).as("warm").isEqualTo(alone);
      assertThat(engine.stats().cachedTokens()).isPositive();
    }
    emulator.configure("seed=2");
    try (Engine engine = Engine.open(options.withStepTokens(REQUESTS + 7))) {
      assertThat(serve(engine, requests)).as("in chunks").isEqualTo(alone);
    }
    KvShape shape = new KvShape(2, 2, 8, DType.BF16);
    EngineOptions scarce = options.withKvBytes(4 * shape.blockBytes());
    try (Engine engine = Engine.open(scarce)) {
      assertThat(serve(engine, requests)).as("one after the other").isEqualTo(alone);
      assertThat(serve(engine, growing)).as("preempted").isEqualTo(grown);
      assertThat(engine.stats().preemptions()).isPositive();
      assertThat(engine.stats().heldBlocks()).isZero();
    }
    try (Engine engine = Engine.open(options.withShards(3))) {
      assertThat(serve(engine, requests)).as("in shards").isEqualTo(alone);
    }
    assertThat(emulator.count("cuGraphLaunch")).isPositive();
    long launched = emulator.count("cuGraphLaunch");
    System.setProperty(CudaDevice.GRAPHS_PROPERTY, "false");
    try (Engine engine = Engine.open(options)) {
      assertThat(serve(engine, requests)).as("without graphs").isEqualTo(alone);
    }
    assertThat(emulator.count("cuGraphLaunch")).isEqualTo(launched);
    assertNothingLeft(emulator);
  }

  @Test
  void twoEnginesOnTwoGpusSayTheSame() throws InterruptedException {
    Emulator emulator = gpu("devices=2");
    EngineOptions options = options(tiny());
    try (Engine first = Engine.open(options);
        Engine second = Engine.open(options.withDevice(DeviceChoice.cuda(1)))) {
      assertThat(second.deviceName()).startsWith("cuda:1");
      List<Generation> generations = requests().stream().map(second::submit).toList();
      List<Completion.Choice> expected = serve(first, requests());
      for (int i = 0; i < REQUESTS; i++) {
        assertThat(generations.get(i).await().choices().getFirst()).isEqualTo(expected.get(i));
      }
    }
    assertNothingLeft(emulator);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneEngineOnTwoGpusGivesTheSameBitsOnEveryShard(boolean lockstep)
      throws InterruptedException {
    Emulator emulator = gpu("devices=2");
    EngineOptions options = options(tiny());
    List<Completion.Choice> expected;
    try (Engine engine = Engine.open(options)) {
      expected = serve(engine, requests());
    }
    try (Engine engine = Engine.open(onTwo(options).withLockstep(lockstep))) {
      assertThat(serve(engine, requests())).isEqualTo(expected);
      for (int shard = 0; shard < 4; shard++) {
        Terms pinned = Terms.DEFAULT.withShard(shard);
        List<Request> requests = requests().stream().map(r -> r.withTerms(pinned)).toList();
        assertThat(serve(engine, requests)).as("on shard %d", shard).isEqualTo(expected);
      }
      assertThat(engine.stats().copiedTokens()).as("contexts that moved").isPositive();
      assertThat(engine.stats().heldBlocks()).isZero();
    }
    assertNothingLeft(emulator);
  }

  @Test
  void aContextThatWasSpilledToHostMemoryComesBackWithItsBits() throws InterruptedException {
    Emulator emulator = gpu("devices=2");
    EngineOptions options = options(tiny()).withSlots(2);
    List<Completion.Choice> expected;
    try (Engine engine = Engine.open(options)) {
      expected = serve(engine, requests());
    }
    long tight = 4L * KvShape.BLOCK_TOKENS * KV_TOKEN_BYTES;
    try (Engine engine =
        Engine.open(onTwo(options).withShards(2).withKvBytes(tight).withHostKvBytes(8 << 20))) {
      for (int round = 0; round < 3; round++) {
        assertThat(serve(engine, requests())).as("round %d", round).isEqualTo(expected);
      }
      assertThat(engine.stats().spilledBlocks()).isPositive();
      assertThat(engine.stats().heldBlocks()).isZero();
    }
    assertNothingLeft(emulator);
  }

  @Test
  void whereOneOfTwoGpusIsLostTheOtherGoesOn() throws InterruptedException {
    Emulator emulator = gpu("devices=2");
    try (Engine engine = Engine.open(onTwo(options(tiny())).withShards(2))) {
      List<Completion.Choice> expected = serve(engine, requests());
      emulator.configure("fail=kernel:+40:CUDA_ERROR_ILLEGAL_ADDRESS");
      int failed = 0;
      for (Generation generation : requests().stream().map(engine::submit).toList()) {
        try {
          generation.await();
        } catch (RequestFailedException e) {
          assertThat(e).hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
          failed++;
        }
      }
      assertThat(failed).isPositive();
      assertThat(serve(engine, requests())).as("on what is left").isEqualTo(expected);
      assertThat(engine.shards()).extracting(ShardStats::open).containsOnlyOnce(true);
      assertThat(engine.stats().heldBlocks()).isZero();
    }
  }

  private static EngineOptions onTwo(EngineOptions options) {
    return options.withDevices(List.of(DeviceChoice.cuda(0), DeviceChoice.cuda(1))).withShards(4);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cuGraphInstantiateWithFlags", "cuGraphLaunch"})
  void aGraphThatTheDriverRefusesFailsNoRequest(String call) throws InterruptedException {
    Emulator emulator = gpu("");
    List<Completion.Choice> expected;
    try (Engine engine = Engine.open(options(tiny()))) {
      expected = serve(engine, requests());
    }
    // From the first, and from the midst of the requests on.
    for (int after : new int[] {1, 5}) {
      emulator.configure("fail=" + call + ":+" + after + "+:CUDA_ERROR_OUT_OF_MEMORY");
      try (Engine engine = Engine.open(options(tiny()))) {
        assertThat(serve(engine, requests())).isEqualTo(expected);
        assertThat(engine.stats().heldBlocks()).isZero();
      }
    }
  }

  @Test
  void aStepThatIsNotLaunchedFailsItsRequestsAndTheNextAreServed() throws InterruptedException {
    System.setProperty(CudaDevice.GRAPHS_PROPERTY, "false");
    Emulator emulator = gpu("");
    try (Engine engine = Engine.open(options(tiny()))) {
      List<Completion.Choice> expected = serve(engine, requests());
      emulator.configure("fail=cuLaunchKernelEx:+40:CUDA_ERROR_OUT_OF_MEMORY");
      List<Generation> some = requests().stream().map(engine::submit).toList();
      int failed = 0;
      for (int i = 0; i < REQUESTS; i++) {
        try { // who came after that step is served
          assertThat(some.get(i).await().choices().getFirst()).isEqualTo(expected.get(i));
        } catch (RequestFailedException e) {
          assertThat(e).hasMessageContaining("CUDA_ERROR_OUT_OF_MEMORY");
          failed++;
        }
      }
      assertThat(failed).isPositive();
      assertThat(engine.stats().heldBlocks()).isZero();
      assertThat(serve(engine, requests())).isEqualTo(expected);
      assertThat(engine.stats().heldBlocks()).isZero();
    }
  }

  @Test
  void aKernelThatFaultsLosesTheDeviceAndEveryRequestIsToldSo() throws InterruptedException {
    Emulator emulator = gpu("");
    try (Engine engine = Engine.open(options(tiny()))) {
      emulator.configure("fail=kernel:+40:CUDA_ERROR_ILLEGAL_ADDRESS");
      for (int round = 0; round < 2; round++) {
        List<Generation> failing = requests().stream().map(engine::submit).toList();
        for (Generation generation : failing) {
          assertThatThrownBy(generation::await)
              .isInstanceOf(RequestFailedException.class)
              .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
        }
        assertThat(engine.stats().heldBlocks()).isZero();
        assertThat(engine.stats().running()).isZero();
      }
    }
  }
}
