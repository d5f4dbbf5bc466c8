package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A conversation's second turn, wherever it runs and wherever the first one's KV lies by then: only
 * what is new is computed, and the account of the reply and the engine's counters say so alike. Who
 * lost its KV because there was too little room is told so, and gets the same bits, only later.
 */
@Timeout(120)
class SecondTurnTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int MAX_LENGTH = 8 * B;

  /** What the first turn leaves in the cache: its last token was drawn and never computed. */
  private static final int CONTEXT = 5 * B;

  private static final int FIRST_OUTPUTS = 35;
  private static final int FIRST_PROMPT = CONTEXT + 1 - FIRST_OUTPUTS;
  private static final int QUESTION = 20;
  private static final int OUTPUTS = 8;

  /** The question, and the last token of the answer before it. */
  private static final int NEW = 1 + QUESTION;

  /** Enough for a shard to have to give old blocks away one by one. */
  private static final int BLOCKS = 32;

  /** A token takes far longer to compute than to copy, as on any device. */
  private static final long NANOS_PER_TOKEN = 1_000_000;

  @TempDir static Path folder;
  private static HandDriven now;
  private static HandDriven late;
  private static Turns.Alone lone;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    now = model(HandDriven.fastest(), HandDriven.fastest());
    late = model(new LateDevice(HandDriven.fastest()), new LateDevice(HandDriven.fastest()));
    lone = new Turns.Alone(folder);
  }

  private static HandDriven model(Device... devices) {
    FailingDevice[] timed =
        Stream.of(devices).map(FailingDevice::new).toArray(FailingDevice[]::new);
    HandDriven model = new HandDriven(folder, timed);
    for (FailingDevice device : timed) {
      device.whenComputing(tokens -> model.passes(tokens * NANOS_PER_TOKEN));
    }
    return model;
  }

  @AfterAll
  static void close() {
    now.close();
    late.close();
    lone.close();
  }

  private static LoopOptions options(int shards) {
    return LoopOptions.of(shards, 16, 64, MAX_LENGTH, true, PlanLimits.withStepTokens(128));
  }

  /** Where the second turn runs, and what lies where by then. */
  enum Case {
    THE_SAME_SHARD(1, 1, 0, 0, 0, CONTEXT, 0, 0),
    ANOTHER_SHARD_OF_THE_DEVICE(1, 2, 1, 0, 0, CONTEXT, 0, 0),
    ANOTHER_DEVICE(2, 2, 1, 0, 0, 0, CONTEXT, 0),
    A_SHARD_OF_ANOTHER_DEVICE(2, 4, 3, 0, 0, 0, CONTEXT, 0),
    SPILLED(1, 1, 0, 2 * BLOCKS, BLOCKS, 0, 0, CONTEXT),
    SPILLED_IN_PART(1, 1, 0, 2 * BLOCKS, BLOCKS - 4, 2 * B, 0, 3 * B),
    SPILLED_AND_ANOTHER_DEVICE(2, 2, 1, 2 * BLOCKS, BLOCKS, 0, 0, CONTEXT),
    SPILLED_IN_PART_AND_ANOTHER_DEVICE(2, 2, 1, 2 * BLOCKS, BLOCKS - 4, 0, 2 * B, 3 * B);

    final int devices;
    final int shards;
    final int shard;
    final int hostBlocks;

    /** Of one block each, on the first turn's shard, between the two turns. */
    final int strangers;

    final int shared;
    final int copied;
    final int restored;

    Case(
        int devices,
        int shards,
        int shard,
        int hostBlocks,
        int strangers,
        int shared,
        int copied,
        int restored) {
      this.devices = devices;
      this.shards = shards;
      this.shard = shard;
      this.hostBlocks = hostBlocks;
      this.strangers = strangers;
      this.shared = shared;
      this.copied = copied;
      this.restored = restored;
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void onlyWhatIsNewIsComputed(Case where, boolean isLate, boolean lockstep, boolean session)
      throws InterruptedException {
    int[] blocks = new int[where.devices];
    Arrays.fill(blocks, BLOCKS * (where.shards / where.devices));
    StepLoop loop =
        (isLate ? late : now)
            .loop(
                options(where.shards).withHostBlocks(where.hostBlocks).withLockstep(lockstep),
                blocks);
    Terms terms = session ? Terms.DEFAULT.withSession("a") : Terms.DEFAULT;
    int[] first = Turns.prompt(1, FIRST_PROMPT);
    Generation one = Turns.serve(loop, first, FIRST_OUTPUTS, terms.withShard(0));
    for (int stranger = 0; stranger < where.strangers; stranger++) {
      Turns.serve(loop, Turns.prompt(100 + stranger, B), 1, 0);
    }
    int[] second = Turns.continued(first, Turns.answer(one), 2, QUESTION);
    EngineStats before = loop.stats();

    Generation two = Turns.serve(loop, second, OUTPUTS, terms.withShard(where.shard));

    Account account = two.account();
    assertThat(account.recomputedTokens()).as("computed").isEqualTo(NEW);
    assertThat(account.coldTokens()).as("cold").isEqualTo(NEW);
    assertThat(account.sharedTokens()).as("shared").isEqualTo(where.shared);
    assertThat(account.copiedTokens()).as("copied").isEqualTo(where.copied);
    assertThat(account.restoredTokens()).as("restored").isEqualTo(where.restored);
    assertThat(account.shard()).isEqualTo(where.shard);
    assertThat(account.copyNanos() > 0).isEqualTo(where.copied + where.restored > 0);
    assertThat(two.usage().cachedTokens()).isEqualTo(CONTEXT);
    EngineStats after = loop.stats();
    assertThat(after.prefillTokens() - before.prefillTokens()).isEqualTo(NEW);
    assertThat(after.promptTokens() - before.promptTokens()).isEqualTo(second.length);
    assertThat(after.cachedTokens() - before.cachedTokens()).isEqualTo(CONTEXT);
    assertThat(after.copiedTokens() - before.copiedTokens()).isEqualTo(where.copied);
    assertThat(after.restoredTokens() - before.restoredTokens()).isEqualTo(where.restored);
    assertThat(after.evictedTokens()).isZero();
    assertThat(Turns.answer(two)).isEqualTo(lone.answer(second, OUTPUTS));
    Turns.assertNothingHeld(loop);
  }

  static List<Object[]> cases() {
    List<Object[]> cases = new ArrayList<>();
    for (Case where : Case.values()) {
      for (boolean isLate : new boolean[] {false, true}) {
        for (boolean lockstep :
            where.devices == 1 ? new boolean[] {false} : new boolean[] {false, true}) {
          boolean session = where.strangers == 0; // a lease would keep the strangers off
          cases.add(new Object[] {where, isLate, lockstep, session});
        }
      }
    }
    return cases;
  }

  /** Of conversations that have less room than they need. */
  private static final int SESSIONS = 6;

  private static final int TURNS = 3;

  @ParameterizedTest
  @CsvSource({
    // devices, shards, KV blocks of each device, host blocks, late
    "1, 1, 16, 0, false",
    "1, 1, 16, 0, true",
    "1, 2, 20, 0, true",
    "2, 2, 9, 0, false",
    "2, 2, 9, 0, true",
    "1, 1, 16, 5, true",
    "2, 2, 9, 5, false",
    "2, 4, 18, 5, true"
  })
  void withTooLittleRoomForAllSessionsEveryTurnIsRightAndToldWhatWasGivenAway(
      int devices, int shards, int blocks, int hostBlocks, boolean isLate)
      throws InterruptedException {
    int[] each = new int[devices];
    Arrays.fill(each, blocks);
    StepLoop loop = (isLate ? late : now).loop(options(shards).withHostBlocks(hostBlocks), each);
    int[][] contexts = new int[SESSIONS][];
    int[] known = new int[SESSIONS];
    long evicted = 0;
    for (int turn = 0; turn < TURNS; turn++) {
      for (int s = 0; s < SESSIONS; s++) {
        int[] prompt = turn == 0 ? Turns.prompt(s, 2 * B + 10 * s) : contexts[s];
        EngineStats before = loop.stats();

        Generation generation =
            Turns.serve(loop, prompt, OUTPUTS, Terms.DEFAULT.withSession("session " + s));

        Completion.Choice answer = Turns.answer(generation);
        assertThat(answer).isEqualTo(lone.answer(prompt, OUTPUTS));
        Account account = generation.account();
        assertThat(account.coldTokens()).as("new ones").isEqualTo(prompt.length - known[s]);
        assertThat(
                account.sharedTokens()
                    + account.copiedTokens()
                    + account.restoredTokens()
                    + account.otherShardTokens()
                    + account.evictedTokens())
            .as("those that its session has had")
            .isEqualTo(known[s]);
        EngineStats after = loop.stats();
        assertThat(after.prefillTokens() - before.prefillTokens())
            .isEqualTo(account.recomputedTokens());
        evicted += account.evictedTokens();
        assertThat(after.evictedTokens()).isEqualTo(evicted);
        Turns.assertNothingHeld(loop);
        contexts[s] = Turns.continued(prompt, answer, 1000L * turn + s, B);
        known[s] = (prompt.length + OUTPUTS - 1) / B * B;
      }
    }
    assertThat(evicted).as("tokens that were given away").isPositive();
    if (hostBlocks > 0) {
      assertThat(loop.stats().spilledBlocks()).isPositive();
    }
    Turns.endSessions(loop);
  }

  @ParameterizedTest
  @CsvSource({"1, 16, 0, true", "2, 9, 5, false", "2, 9, 5, true"})
  void soItIsWhenAllOfThemComeAtOnce(int devices, int blocks, int hostBlocks, boolean isLate)
      throws InterruptedException {
    int[] each = new int[devices];
    Arrays.fill(each, blocks);
    StepLoop loop = (isLate ? late : now).loop(options(devices).withHostBlocks(hostBlocks), each);
    int[][] prompts = new int[SESSIONS][];
    for (int s = 0; s < SESSIONS; s++) {
      prompts[s] = Turns.prompt(s, 2 * B + 10 * s);
    }
    for (int turn = 0; turn < TURNS; turn++) {
      List<Generation> all = new ArrayList<>();
      for (int s = 0; s < SESSIONS; s++) {
        all.add(Turns.submit(loop, prompts[s], OUTPUTS, Terms.DEFAULT.withSession("session " + s)));
      }
      HandDriven.drain(loop);
      for (int s = 0; s < SESSIONS; s++) {
        Completion.Choice answer = Turns.answer(all.get(s));
        assertThat(answer).isEqualTo(lone.answer(prompts[s], OUTPUTS));
        prompts[s] = Turns.continued(prompts[s], answer, 1000L * turn + s, B);
      }
      Turns.assertNothingHeld(loop);
    }
    assertThat(loop.stats().evictedTokens()).isPositive();
    Turns.endSessions(loop);
  }
}
