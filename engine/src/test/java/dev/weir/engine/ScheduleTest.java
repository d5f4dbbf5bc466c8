package dev.weir.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.reference.ReferenceDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * One request has one answer: the same tokens and the same logprobs to the last bit, whatever the
 * engine does beside it and however it cuts the work. And whatever happens, all blocks come back.
 */
class ScheduleTest {
  private static final int MANY = 32;

  @TempDir static Path folder;

  /** What computes: a device, or one that is launched on before it is done. */
  enum On {
    REFERENCE,
    CPU,
    LATE_REFERENCE,
    LATE_CPU;

    Device open() {
      return switch (this) {
        case REFERENCE -> ReferenceDevice.open();
        case CPU -> CpuDevice.open(2);
        case LATE_REFERENCE -> new LateDevice(ReferenceDevice.open());
        case LATE_CPU -> new LateDevice(CpuDevice.open(2));
      };
    }

    /** The device that awaits every step. */
    On punctual() {
      return this == LATE_REFERENCE ? REFERENCE : this == LATE_CPU ? CPU : this;
    }
  }

  /** The fastest, with and without a step in flight beside the one in the making. */
  static Stream<On> devices() {
    return CpuDevice.unavailable().isEmpty()
        ? Stream.of(On.CPU, On.LATE_CPU)
        : Stream.of(On.REFERENCE, On.LATE_REFERENCE);
  }

  static Stream<Arguments> devicesAndTypes() {
    Stream<On> all =
        CpuDevice.unavailable().isEmpty()
            ? Stream.of(On.values())
            : Stream.of(On.REFERENCE, On.LATE_REFERENCE);
    return all.flatMap(
        device ->
            Stream.of(DType.F32, DType.BF16, DType.F16)
                .filter(type -> device != On.LATE_REFERENCE || type == DType.F32)
                .map(type -> Arguments.of(device, type)));
  }

  private static EngineOptions options(DType type) {
    Path model = TinyModel.write(folder.resolve(type.name()), type, 1);
    return EngineOptions.of(model).withKvBytes(64 << 20);
  }

  private static Request request(long seed, int promptLength, int outputs) {
    Random random = new Random(seed);
    int[] prompt = random.ints(promptLength, 0, TinyModel.VOCABULARY).toArray();
    Sampling sampling =
        Sampling.builder()
            .temperature(random.nextBoolean() ? 0 : 0.9f)
            .topP(0.95f)
            .repetitionPenalty(random.nextBoolean() ? 1 : 1.1f)
            .seed(seed)
            .ignoreEos(true)
            .maxTokens(outputs)
            .logprobs(3)
            .build();
    return Request.of(Prompt.of(prompt), sampling);
  }

  /** Requests of many lengths, around block boundaries above all. */
  private static List<Request> requests() {
    Random random = new Random(7);
    return IntStream.range(0, MANY)
        .mapToObj(
            i -> {
              int blocks = random.nextInt(5) * KvShape.BLOCK_TOKENS;
              int length = Math.max(1, blocks + random.nextInt(5) - 2);
              return request(i, length, 1 + random.nextInt(40));
            })
        .toList();
  }

  private static List<Completion> together(Engine engine, List<Request> requests)
      throws InterruptedException {
    List<Generation> generations = requests.stream().map(engine::submit).toList();
    List<Completion> completions = new ArrayList<>();
    for (Generation generation : generations) {
      completions.add(generation.await());
    }
    return completions;
  }

  /** Tokens and logprobs, bit for bit: records of floats compare by bits. */
  private static void assertSame(List<Completion> actual, List<Completion> expected) {
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < actual.size(); i++) {
      assertThat(actual.get(i).choices()).as("request %d", i).isEqualTo(expected.get(i).choices());
    }
  }

  private static List<Completion> alone(On device, EngineOptions options, List<Request> requests)
      throws InterruptedException {
    List<Completion> completions = new ArrayList<>();
    try (Engine engine = Engine.open(options.withReusePrefixes(false), device.punctual()::open)) {
      for (Request request : requests) {
        completions.add(engine.submit(request).await());
      }
    }
    return completions;
  }

  @ParameterizedTest
  @MethodSource("devicesAndTypes")
  void aRequestHasTheSameBitsAloneAndInABatchColdAndWarmInChunksOfAnyLength(On device, DType type)
      throws InterruptedException {
    EngineOptions options = options(type);
    List<Request> requests = requests();
    List<Completion> expected = alone(device, options, requests);
    for (int chunk : new int[] {1, 7, 64}) { // alone, in chunks of exactly this length
      try (Engine engine = Engine.open(options.withSlots(1).withStepTokens(chunk), device::open)) {
        assertSame(together(engine, requests), expected);
      }
    }
    for (int chunk : new int[] {MANY, MANY + 7, MANY + 64, 512}) { // together
      try (Engine engine =
          Engine.open(options.withSlots(MANY).withStepTokens(chunk), device::open)) {
        assertSame(together(engine, requests), expected);
        assertSame(together(engine, requests), expected);
        assertThat(engine.stats().cachedTokens()).isPositive();
        assertThat(engine.stats().heldBlocks()).isZero();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("devicesAndTypes")
  void aPreemptedRequestHasTheBitsOfALoneRun(On device, DType type) throws InterruptedException {
    EngineOptions options = options(type);
    // Each comes with one block and grows to five; the pool has ten.
    List<Request> requests =
        IntStream.range(0, 12).mapToObj(i -> request(i, 20 + 3 * i, 300)).toList();
    List<Completion> expected = alone(device, options, requests);
    KvShape shape = new KvShape(2, 2, 8, type == DType.BF16 ? DType.BF16 : DType.F32);
    try (Engine engine = Engine.open(options.withKvBytes(10 * shape.blockBytes()), device::open)) {
      assertSame(together(engine, requests), expected);
      assertThat(engine.stats().preemptions()).isPositive();
      assertThat(engine.stats().heldBlocks()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void choicesShareThePromptAndDifferInTheirDraws(On device) throws InterruptedException {
    EngineOptions options = options(DType.F32);
    int[] prompt = new Random(3).ints(300, 0, TinyModel.VOCABULARY).toArray();
    Sampling sampling = Sampling.builder().seed(5).maxTokens(20).ignoreEos(true).build();
    try (Engine engine = Engine.open(options, device::open)) {
      Completion many = engine.submit(new Request(Prompt.of(prompt), sampling, 4, true)).await();
      Completion one = engine.submit(Request.of(Prompt.of(prompt), sampling)).await();
      assertThat(many.choices()).hasSize(4).doesNotHaveDuplicates();
      assertThat(many.choices().getFirst()).isEqualTo(one.choices().getFirst());
      assertThat(engine.stats().prefillTokens()).isLessThan(3L * prompt.length);
      assertThat(many.usage().outputTokens()).isEqualTo(80);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void aCancelledRequestGivesItsPartialAndItsBlocks(On device) throws InterruptedException {
    try (Engine engine = Engine.open(options(DType.F32), device::open)) {
      Generation generation = engine.submit(request(1, 100, 1500));
      int read = 0;
      while (read < 5) {
        if (generation.next() instanceof TokenEvent.Token) {
          read++;
        }
      }
      generation.cancel();
      TokenEvent last = generation.next();
      for (TokenEvent event = last; event != null; event = generation.next()) {
        last = event;
      }
      assertThat(last)
          .isInstanceOfSatisfying(
              TokenEvent.Finished.class,
              finished -> assertThat(finished.reason()).isEqualTo(FinishReason.CANCELLED));
      assertThat(engine.stats().heldBlocks()).isZero();
      assertThat(generation.usage().outputTokens()).isBetween(5, 1499);
      Completion partial = generation.await();
      assertThat(partial.choices().getFirst().tokens()).hasSize(generation.usage().outputTokens());
      assertThat(partial.choices().getFirst().reason()).isEqualTo(FinishReason.CANCELLED);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void aStormOfCancellationsLeavesNothingBehind(On device) throws InterruptedException {
    try (Engine engine = Engine.open(options(DType.F32).withQueue(4096), device::open)) {
      Random random = new Random(11);
      for (int round = 0; round < 20; round++) {
        List<Generation> generations = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
          Request one = request(random.nextInt(40), 1 + random.nextInt(400), 200);
          generations.add(
              engine.submit(new Request(one.prompt(), one.sampling(), 1 + i % 3, true)));
        }
        for (Generation generation : generations) {
          if (random.nextBoolean()) {
            generation.next();
          }
          generation.cancel();
        }
        for (Generation generation : generations) {
          while (generation.next() != null) {}
        }
        assertThat(engine.stats().heldBlocks()).isZero();
        assertThat(engine.stats().running()).isZero();
        assertThat(engine.stats().waiting()).isZero();
      }
    }
  }

  @Test
  void whatCannotBeServedIsRefusedAtOnce() {
    EngineOptions options = options(DType.F32).withSlots(1).withQueue(2);
    try (Engine engine = Engine.open(options)) {
      assertThatThrownBy(() -> engine.submit(request(1, TinyModel.CONTEXT, 1)))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("2048");
      assertThatThrownBy(() -> engine.submit(Request.of(Prompt.of(new int[0]), Sampling.greedy(1))))
          .isInstanceOf(InvalidRequestException.class);
      assertThatThrownBy(
              () -> engine.submit(Request.of(Prompt.of(TinyModel.VOCABULARY), Sampling.greedy(1))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("vocabulary");
      List<Generation> taken = new ArrayList<>();
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 100; i++) {
                  taken.add(engine.submit(request(i, 1500, 500)));
                }
              })
          .isInstanceOf(OverloadedException.class);
      taken.forEach(Generation::cancel);
    }
  }
}
