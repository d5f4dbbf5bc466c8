package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.UnknownSessionException;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Conversations: their second turns, their leases, and what is told of them. */
class SessionsTest {
  private static final int BLOCK = KvShape.BLOCK_TOKENS;
  private static final int MAX_LENGTH = 5 * BLOCK;
  private static final int OUTPUTS = 10;
  private static final Sampling SAMPLING =
      Sampling.builder().temperature(0).maxTokens(OUTPUTS).ignoreEos(true).build();

  @TempDir static Path folder;
  private static HandDriven model;

  private final long[] now = {0};

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    model = new HandDriven(folder, HandDriven.fastest());
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private StepLoop loop(int blocks) {
    return model.loop(
        1, 4, blocks, MAX_LENGTH, true, PlanLimits.withStepTokens(256), () -> now[0] += 1000);
  }

  private static int[] prompt(int seed, int length) {
    return new Random(seed).ints(length, 0, TinyModel.VOCABULARY).toArray();
  }

  private static Turn turn(StepLoop loop, String session, int[] prompt)
      throws InterruptedException {
    Request request =
        new Request(Prompt.of(prompt), SAMPLING, 1, true)
            .withTerms(Terms.DEFAULT.withSession(session));
    Generation generation = loop.submit(request, prompt);
    HandDriven.drain(loop);
    return new Turn(generation.await(), generation.account());
  }

  private record Turn(Completion completion, Account account) {}

  private static int[] continued(int[] prompt, Turn turn, int seed, int more) {
    int[] drawn = turn.completion().choices().getFirst().tokenIds();
    return IntStream.concat(
            IntStream.concat(Arrays.stream(prompt), Arrays.stream(drawn)),
            Arrays.stream(prompt(seed, more)))
        .toArray();
  }

  @Test
  void theSecondTurnComputesItsNewTokensOnly() throws InterruptedException {
    StepLoop loop = loop(20);
    int[] first = prompt(1, 2 * BLOCK + 5);

    Turn one = turn(loop, "a", first);
    Turn two = turn(loop, "a", continued(first, one, 2, 7));

    assertThat(one.account().coldTokens()).isEqualTo(first.length);
    assertThat(two.account().sharedTokens()).isEqualTo(2 * BLOCK);
    assertThat(two.account().recomputedTokens()).isEqualTo(5 + OUTPUTS + 7);
    assertThat(two.account().evictedTokens()).isZero();
    SessionInfo info = loop.sessionStore().info("a", now[0]);
    assertThat(info.turns()).isEqualTo(2);
    assertThat(info.activeRequests()).isZero();
    assertThat(info.deviceTokens()).isEqualTo(info.tokens() / BLOCK * BLOCK).isPositive();
    assertThat(info.leaseNanos()).isPositive();
  }

  @Test
  void aLeasedContextOutlivesOthersThatCameLater() throws InterruptedException {
    StepLoop loop = loop(10);
    int[] first = prompt(1, 2 * BLOCK + 5);
    Turn one = turn(loop, "kept", first);
    for (int seed = 10; seed < 20; seed++) { // strangers, far more than there is room for
      int[] other = prompt(seed, 3 * BLOCK);
      loop.submit(Request.of(Prompt.of(other), SAMPLING), other);
      HandDriven.drain(loop);
    }

    Turn two = turn(loop, "kept", continued(first, one, 2, 7));

    assertThat(two.account().sharedTokens()).isEqualTo(2 * BLOCK);
  }

  @Test
  void aContextWhoseLeaseRanOutIsGivenAwayAndTheNextTurnSaysSo() throws InterruptedException {
    StepLoop loop = loop(10);
    int[] first = prompt(1, 2 * BLOCK + 5);
    Turn one = turn(loop, "left", first);
    now[0] += LoopOptions.DEFAULT_LEASE_NANOS;
    for (int seed = 10; seed < 20; seed++) {
      int[] other = prompt(seed, 3 * BLOCK);
      loop.submit(Request.of(Prompt.of(other), SAMPLING), other);
      HandDriven.drain(loop);
    }

    assertThatThrownBy(() -> loop.sessionStore().info("left", now[0]))
        .isInstanceOf(SessionEvictedException.class)
        .hasMessageContaining("its lease had run out");
    int[] next = continued(first, one, 2, 7);
    Turn two = turn(loop, "left", next);
    assertThat(two.account().evictedTokens()).isEqualTo(2 * BLOCK);
    assertThat(two.account().coldTokens()).isEqualTo(next.length - 2 * BLOCK);
    assertThat(two.completion().choices())
        .isEqualTo(turn(loop(20), "left", next).completion().choices());
  }

  @Test
  void leasesNeverKeepAnybodyWaiting() throws InterruptedException {
    StepLoop loop = loop(10);
    for (int i = 0; i < 20; i++) { // each leases what it can
      Turn turn = turn(loop, "session " + i, prompt(i, 4 * BLOCK));
      assertThat(turn.completion().choices().getFirst().tokenIds()).hasSize(OUTPUTS);
      assertThat(loop.shards().consistent()).isTrue();
    }
    assertThat(loop.stats().heldBlocks()).isZero();
    assertThat(loop.stats().cachedBlocks()).isPositive();
  }

  @Test
  void theSessionThatIsCheapestForHowLongItWasIdleGivesItsMemoryFirst()
      throws InterruptedException {
    StepLoop loop = loop(10);
    turn(loop, "old", prompt(1, 4 * BLOCK + 1));
    now[0] += 60_000_000_000L;
    turn(loop, "young", prompt(2, 4 * BLOCK + 1));
    now[0] += 1_000_000_000L;

    turn(loop, "new", prompt(3, 4 * BLOCK + 1));

    assertThat(loop.sessionStore().info("young", now[0]).deviceTokens()).isEqualTo(4 * BLOCK);
    List<SessionInfo> all = loop.sessionStore().list(0, 10, now[0]);
    assertThat(all).extracting(SessionInfo::id).containsExactly("old", "young", "new");
    assertThat(all.getFirst().deviceTokens()).isLessThan(4 * BLOCK);
  }

  @Test
  void aRemovedSessionIsUnknownAndItsMemoryAnybodys() throws InterruptedException {
    StepLoop loop = loop(20);
    turn(loop, "a", prompt(1, 2 * BLOCK + 5));
    assertThat(loop.shards().pool(0).leased()).isPositive();

    loop.sessionStore().remove("a");

    assertThat(loop.shards().pool(0).leased()).isZero();
    assertThatThrownBy(() -> loop.sessionStore().info("a", now[0]))
        .isInstanceOf(UnknownSessionException.class);
    assertThatThrownBy(() -> loop.sessionStore().remove("a"))
        .isInstanceOf(UnknownSessionException.class);
  }

  @Test
  void aTurnThatFillsNoBlockIsToldAllTheSame() throws InterruptedException {
    StepLoop loop = loop(20);
    turn(loop, "short", prompt(1, 5));

    SessionInfo info = loop.sessionStore().info("short", now[0]);
    assertThat(info.tokens()).isEqualTo(5 + OUTPUTS);
    assertThat(info.deviceTokens()).isZero();
    assertThat(info.shard()).isZero();
  }

  @Test
  void aSessionWithARequestIsActiveAndMayBeRemoved() throws InterruptedException {
    StepLoop loop = loop(20);
    int[] prompt = prompt(1, 2 * BLOCK + 5);
    Request request =
        new Request(Prompt.of(prompt), SAMPLING, 1, true).withTerms(Terms.DEFAULT.withSession("a"));
    Generation generation = loop.submit(request, prompt);
    loop.step();
    loop.step();

    assertThat(loop.sessionStore().info("a", now[0]).activeRequests()).isEqualTo(1);
    loop.sessionStore().remove("a");
    HandDriven.drain(loop);

    assertThat(generation.await().choices().getFirst().tokenIds()).hasSize(OUTPUTS);
    assertThat(loop.shards().pool(0).leased()).isZero();
  }
}
