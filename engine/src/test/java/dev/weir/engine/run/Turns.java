package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;

/** Turns of conversations as tests hand them to a loop that they drive by hand. */
final class Turns {
  private static final int SEED = 7;

  private Turns() {}

  static int[] prompt(long seed, int length) {
    return new Random(seed).ints(length, 0, TinyModel.VOCABULARY).toArray();
  }

  /** What was asked and answered, and so many tokens more. */
  static int[] continued(int[] prompt, Completion.Choice answer, long seed, int more) {
    return Stream.of(prompt, answer.tokenIds(), prompt(seed, more))
        .flatMapToInt(Arrays::stream)
        .toArray();
  }

  /** With draws of its own seed, so that its bits are the same wherever it runs. */
  static Request request(int[] prompt, int outputs) {
    return Request.of(
        Prompt.of(prompt),
        Sampling.builder().seed(SEED).temperature(1).maxTokens(outputs).ignoreEos(true).build());
  }

  static Generation submit(StepLoop loop, int[] prompt, int outputs, Terms terms) {
    return loop.submit(request(prompt, outputs).withTerms(terms), prompt);
  }

  static Generation submit(StepLoop loop, int[] prompt, int outputs, int shard) {
    return submit(loop, prompt, outputs, Terms.DEFAULT.withShard(shard));
  }

  static Generation serve(StepLoop loop, int[] prompt, int outputs, Terms terms) {
    Generation generation = submit(loop, prompt, outputs, terms);
    HandDriven.drain(loop);
    return generation;
  }

  static Generation serve(StepLoop loop, int[] prompt, int outputs, int shard) {
    return serve(loop, prompt, outputs, Terms.DEFAULT.withShard(shard));
  }

  /** The only choice of a request that has ended. */
  static Completion.Choice answer(Generation generation) throws InterruptedException {
    return generation.await().choices().getFirst();
  }

  /** The only sequence of a request. */
  static Sequence sequence(Generation generation) {
    return ((StepLoopGeneration) generation).job().sequences()[0];
  }

  /** What requests give by themselves, on a device that never fails and finds nothing again. */
  static final class Alone implements AutoCloseable {
    private final HandDriven model;
    private final StepLoop loop;

    Alone(Path folder) {
      model = new HandDriven(folder, HandDriven.fastest());
      int blocks = Sequence.blocksFor(TinyModel.CONTEXT);
      loop = model.loop(1, blocks, TinyModel.CONTEXT, false, HandDriven.STEP_TOKENS);
    }

    Completion.Choice answer(int[] prompt, int outputs) throws InterruptedException {
      return HandDriven.alone(loop, request(prompt, outputs), prompt).choices().getFirst();
    }

    @Override
    public void close() {
      model.close();
    }
  }

  /**
   * Nobody runs, waits or is on its way; every block of every pool is free or cached, and nobody
   * but a session that is known leases one.
   */
  static void assertNothingHeld(StepLoop loop) {
    Shards shards = loop.shards();
    assertThat(loop.stats().running()).as("running").isZero();
    assertThat(loop.stats().waiting()).as("waiting").isZero();
    assertThat(loop.transfers().underWay()).as("copies under way").isFalse();
    assertThat(shards.consistent()).as("pools").isTrue();
    for (int shard = 0; shard < shards.count(); shard++) {
      assertNothingHeld(shards.pool(shard), "shard " + shard);
    }
    assertNothingHeld(shards.host().pool(), "host memory");
    for (SessionInfo session : loop.sessionStore().list(0, Integer.MAX_VALUE, 0)) {
      assertThat(session.activeRequests()).as(session.id()).isZero();
    }
  }

  /** Ends all sessions: no lease is left. */
  static void endSessions(StepLoop loop) {
    for (SessionInfo session : loop.sessionStore().list(0, Integer.MAX_VALUE, 0)) {
      try {
        loop.sessionStore().remove(session.id());
      } catch (SessionEvictedException evicted) {
        assertThat(session.deviceTokens() + session.hostTokens()).isZero();
      }
    }
    for (int shard = 0; shard < loop.shards().count(); shard++) {
      assertThat(loop.shards().pool(shard).leased()).as("leases").isZero();
    }
    assertThat(loop.shards().host().pool().leased()).isZero();
  }

  private static void assertNothingHeld(BlockPool pool, String what) {
    assertThat(pool.held()).as("held blocks of %s", what).isZero();
    assertThat(pool.available()).as("blocks of %s", what).isEqualTo(pool.capacity());
  }
}
