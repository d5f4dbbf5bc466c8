package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.request.Usage;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever fails, the requests it concerns hear of it, nothing is lost, and the loop goes on. */
class StepLoopFaultTest {
  /** More than the ops and exchanges of the few steps that the requests take. */
  private static final int MAX_CALLS = 400;

  /** A prime, so that every op of a step is hit. */
  private static final int CALL_STRIDE = 7;

  private static final int HIDDEN_BYTES = 32 * Float.BYTES;

  @TempDir Path folder;

  private static Request request(int seed, int choices) {
    int[] prompt = prompt(seed);
    Sampling sampling =
        Sampling.builder().seed(seed).maxTokens(12).ignoreEos(true).logprobs(2).build();
    return new Request(Prompt.of(prompt), sampling, choices, true);
  }

  private static int[] prompt(int seed) {
    return new Random(seed).ints(60 + 30 * seed, 0, TinyModel.VOCABULARY).toArray();
  }

  @Test
  void aFailedCallEndsTheRequestsOfItsStepAndTheNextAreServed() throws InterruptedException {
    FailingDevice device = new FailingDevice(HandDriven.fastest());
    servesAfterEveryFailure(device, device);
  }

  @Test
  void aCallThatFailsWhileAStepIsInFlightEndsTheRequestsOfBoth() throws InterruptedException {
    FailingDevice device = new FailingDevice(new LateDevice(HandDriven.fastest()));
    servesAfterEveryFailure(device, device);
  }

  @Test
  void anOpThatFailsOnTheDeviceAfterTheNextStepWasLaunchedEndsTheRequestsOfBoth()
      throws InterruptedException {
    FailingDevice device = new FailingDevice(HandDriven.fastest());
    servesAfterEveryFailure(device, new LateDevice(device));
  }

  /**
   * @param failing the part of {@code device} that fails
   */
  private void servesAfterEveryFailure(FailingDevice failing, Device device)
      throws InterruptedException {
    Path path = TinyModel.write(folder, DType.F32, 1);
    try (HandDriven model = new HandDriven(path, device)) {
      StepLoop loop = model.loop(4, 24, 512, true, 64);
      List<Completion> expected = serve(loop);
      int failures = 0;
      int tried = 0;
      for (int call = 0; call < MAX_CALLS; call += CALL_STRIDE) {
        Throwable cause =
            call % 2 == 0 ? new IllegalStateException("call") : new AssertionError("call");
        List<Generation> generations = submit(loop);
        failing.failAfter(call, cause);
        tried++;
        HandDriven.drain(loop);
        if (failing.armed()) {
          failing.disarm();
          break;
        }
        for (Generation generation : generations) {
          failures += failedWith(generation, cause);
        }
        assertThat(loop.stats().heldBlocks()).as("call %d", call).isZero();
        assertThat(loop.stats().running()).isZero();
        assertThat(loop.stats().waiting()).isZero();
        assertThat(loop.shards().consistent()).isTrue();
        assertThat(serve(loop)).as("after a failure of call %d", call).isEqualTo(expected);
      }
      assertThat(failures).isGreaterThan(tried / 4);
    }
  }

  private static List<Generation> submit(StepLoop loop) {
    List<Generation> generations = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      generations.add(loop.submit(request(i, 1 + i), prompt(i)));
    }
    return generations;
  }

  /** The choices alone: how much came from the prefix index differs. */
  private static List<Completion> serve(StepLoop loop) throws InterruptedException {
    List<Generation> generations = submit(loop);
    HandDriven.drain(loop);
    List<Completion> completions = new ArrayList<>();
    for (Generation generation : generations) {
      Completion completion = generation.await();
      completions.add(new Completion(completion.choices(), new Usage(0, 0, 0)));
    }
    return completions;
  }

  /** 1 if it failed; a request that was finished or waiting at the time has its result. */
  private static int failedWith(Generation generation, Throwable cause)
      throws InterruptedException {
    try {
      generation.await();
      return 0;
    } catch (RequestFailedException failure) {
      assertThat(failure).hasRootCause(cause).hasMessageContaining("a step failed");
      return 1;
    }
  }

  @Test
  void aRequestWhoseLogitsAreNotNumbersFailsAlone() throws IOException, InterruptedException {
    int poisoned = 'N';
    Path path = TinyModel.write(folder, DType.F32, 1);
    poison(path, poisoned * (long) HIDDEN_BYTES);
    try (HandDriven model = new HandDriven(path, HandDriven.fastest())) {
      // One block more than one request needs: the next one gets the blocks with the NaNs.
      StepLoop loop = model.loop(2, 3, 128, true, 64);
      int[] clean = new Random(5).ints(70, 'a', 'z').toArray();
      int[] dirty = clean.clone();
      dirty[66] = poisoned;
      Sampling sampling = Sampling.builder().seed(1).maxTokens(40).ignoreEos(true).build();
      Request request = Request.of(Prompt.of(clean), sampling);
      Completion expected = HandDriven.alone(loop, request, clean);
      for (int round = 0; round < 4; round++) {
        Generation failing = loop.submit(Request.of(Prompt.of(dirty), sampling), dirty);
        HandDriven.drain(loop);
        assertThatThrownBy(failing::await)
            .isInstanceOf(RequestFailedException.class)
            .hasMessageContaining("not a number");
        assertThat(loop.stats().heldBlocks()).isZero();
        assertThat(HandDriven.alone(loop, request, clean).choices()).isEqualTo(expected.choices());
      }
    }
  }

  @Test
  void aModelOfNaNsFailsEveryRequestAndLivesOn() throws IOException, InterruptedException {
    Path path = TinyModel.write(folder, DType.F32, 1);
    poison(path, -HIDDEN_BYTES); // the final norm is the file's last tensor
    try (Engine engine = Engine.open(EngineOptions.of(path).withKvBytes(4 << 20))) {
      for (int i = 0; i < 3; i++) {
        Generation generation = engine.submit(request(i, 2));
        assertThatThrownBy(generation::await)
            .isInstanceOf(RequestFailedException.class)
            .hasMessageContaining("not a number");
      }
      assertThat(engine.stats().failed()).isPositive();
    }
  }

  /** Makes one row of the file not a number; a negative offset counts from the end. */
  private static void poison(Path model, long offset) throws IOException {
    Path file = model.resolve("model.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    long start = offset < 0 ? bytes.capacity() + offset : Long.BYTES + bytes.getLong(0) + offset;
    for (int i = 0; i < HIDDEN_BYTES; i += Float.BYTES) {
      bytes.putFloat((int) start + i, Float.NaN);
    }
    Files.write(file, bytes.array());
  }

  @Test
  @Timeout(60)
  void closingWhileManySubmitAndReadLeavesNobodyWaiting() throws InterruptedException {
    Path path = TinyModel.write(folder, DType.F32, 1);
    Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
    for (int round = 0; round < 5; round++) {
      Engine engine = Engine.open(EngineOptions.of(path).withSlots(2).withKvBytes(4 << 20));
      List<Thread> clients = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        int client = i;
        clients.add(
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        useUntilClosed(engine, client);
                      } catch (Throwable thrown) {
                        unexpected.add(thrown);
                      }
                    }));
      }
      try (Generation first = engine.submit(request(1, 1))) {
        first.next(); // there is traffic
      }
      engine.close();
      for (Thread client : clients) {
        client.join();
      }
      assertThat(unexpected).isEmpty();
      assertThatThrownBy(() -> engine.submit(request(1, 1)))
          .isInstanceOf(EngineClosedException.class);
      assertThatThrownBy(() -> engine.submit(Request.of(Prompt.of("text"), Sampling.greedy(1))))
          .isInstanceOf(EngineClosedException.class);
      engine.close();
    }
  }

  private static void useUntilClosed(Engine engine, int client) throws InterruptedException {
    Sampling sampling = Sampling.builder().maxTokens(300).ignoreEos(true).build();
    Prompt prompt = client % 2 == 0 ? Prompt.of("some text") : Prompt.of(prompt(client % 4));
    try {
      while (true) {
        try (Generation generation =
            engine.submit(new Request(prompt, sampling, 1 + client % 3, true))) {
          TokenEvent event = generation.next();
          while (event != null) {
            event = generation.next();
          }
        }
      }
    } catch (EngineClosedException closed) {
      // what every client must come to
    }
  }
}
