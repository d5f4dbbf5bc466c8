package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Terms;
import dev.weir.engine.run.FailingDevice.Call;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A copy of KV blocks fails, at the first block, half-way or where the batch is handed over, with
 * an exception or an error: who waited for it computes its context again, nobody else notices, and
 * every block comes back.
 */
@Timeout(120)
class CopyFaultTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int CONTEXT = 5 * B;
  private static final int QUESTION = 20;
  private static final int OUTPUTS = 8;

  private static final int HOST_BLOCKS = 64;

  /** More than the calls of both devices while a context moves. */
  private static final int MAX_CALLS = 400;

  private static final int CALL_STRIDE = 7;

  private static final int[] TURN = Turns.prompt(1, CONTEXT + QUESTION);
  private static final int[] OTHER = Turns.prompt(2, 3 * B);

  /** Of those that decode meanwhile, one on each device. */
  private static final int[][] NEIGHBOURS = {Turns.prompt(30, B + 5), Turns.prompt(31, B + 5)};

  private static final int LONG = 80;

  @TempDir static Path folder;
  private static Turns.Alone lone;
  private final List<TwoDevices> opened = new ArrayList<>();

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    lone = new Turns.Alone(folder);
  }

  @AfterAll
  static void unload() {
    lone.close();
  }

  @AfterEach
  void close() {
    opened.forEach(TwoDevices::close);
  }

  private TwoDevices open(boolean isLate) {
    TwoDevices two = new TwoDevices(folder, isLate);
    opened.add(two);
    return two;
  }

  /** Which call for a batch fails, the how-maniest of its kind, and how. */
  record Fault(Call call, int number, Throwable how, boolean isLate) {
    void arm(FailingDevice device) {
      device.failAt(call, number, 1, how);
    }
  }

  private static List<Fault> faults(Call copy) {
    List<Fault> faults = new ArrayList<>();
    for (boolean isLate : new boolean[] {false, true}) {
      for (int block : new int[] {0, 2, CONTEXT / B - 1}) {
        faults.add(new Fault(copy, block, new IllegalStateException("copy"), isLate));
        faults.add(new Fault(copy, block, new AssertionError("copy"), isLate));
      }
      faults.add(new Fault(Call.SUBMIT, 0, new IllegalStateException("submit"), isLate));
      faults.add(new Fault(Call.SUBMIT, 0, new AssertionError("submit"), isLate));
    }
    return faults;
  }

  static List<Fault> faultsOfAMigration() {
    return faults(Call.FROM_PEER);
  }

  static List<Fault> faultsOfARestore() {
    return faults(Call.FROM_HOST);
  }

  static List<Fault> faultsOfASpill() {
    return faults(Call.TO_HOST).stream().filter(fault -> fault.number == 0).toList();
  }

  @ParameterizedTest
  @MethodSource("faultsOfAMigration")
  void aMigrationThatFailsIsComputedAgainAndNobodyElseNotices(Fault fault)
      throws InterruptedException {
    TwoDevices two = open(fault.isLate);
    StepLoop loop = two.loop(0);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    List<Generation> neighbours = neighbours(loop);
    EngineStats before = loop.stats();
    fault.arm(two.devices[1]);

    Generation moved = Turns.submit(loop, TURN, OUTPUTS, 1);
    HandDriven.drain(loop);

    assertThat(two.devices[1].armed()).isFalse();
    assertComputedAgain(loop, moved, before);
    assertServed(loop, neighbours);
    // Copies go on: another context is brought.
    Turns.serve(loop, OTHER, 1, 0);
    int[] next = Turns.continued(OTHER, lone.answer(OTHER, 1), 4, QUESTION);
    Generation copied = Turns.serve(loop, next, OUTPUTS, 1);
    assertThat(copied.account().copiedTokens()).isEqualTo(3 * B);
    assertRight(copied, next, OUTPUTS);
    Turns.assertNothingHeld(loop);
  }

  @ParameterizedTest
  @MethodSource("faultsOfARestore")
  void aRestoreThatFailsIsComputedAgainAndNobodyElseNotices(Fault fault)
      throws InterruptedException {
    TwoDevices two = open(fault.isLate);
    StepLoop loop = two.loop(HOST_BLOCKS);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    TwoDevices.displace(loop, 0);
    List<Generation> neighbours = neighbours(loop);
    EngineStats before = loop.stats();
    fault.arm(two.devices[1]);

    Generation restored = Turns.submit(loop, TURN, OUTPUTS, 1);
    HandDriven.drain(loop);

    assertThat(two.devices[1].armed()).isFalse();
    assertComputedAgain(loop, restored, before);
    assertServed(loop, neighbours);
  }

  private static List<Generation> neighbours(StepLoop loop) {
    List<Generation> neighbours = new ArrayList<>();
    for (int shard = 0; shard < 2; shard++) {
      neighbours.add(Turns.submit(loop, NEIGHBOURS[shard], LONG, shard));
    }
    for (int step = 0; step < 10; step++) {
      loop.step();
    }
    return neighbours;
  }

  private static void assertComputedAgain(StepLoop loop, Generation one, EngineStats before)
      throws InterruptedException {
    assertRight(one, TURN, OUTPUTS);
    Account account = one.account();
    assertThat(account.copiedTokens() + account.restoredTokens()).isZero();
    assertThat(account.sharedTokens()).isZero();
    assertThat(account.otherShardTokens()).isEqualTo(CONTEXT);
    assertThat(account.coldTokens()).isEqualTo(QUESTION);
    assertThat(account.evictedTokens()).isZero();
    assertThat(account.preemptions()).isZero();
    assertThat(one.usage().cachedTokens()).isZero();
    EngineStats after = loop.stats();
    assertThat(after.failed()).isZero();
    assertThat(after.copiedTokens() + after.restoredTokens()).isZero();
    assertThat(after.promptTokens() - before.promptTokens()).isEqualTo(TURN.length);
    assertThat(after.cachedTokens()).isEqualTo(before.cachedTokens());
  }

  private static void assertServed(StepLoop loop, List<Generation> neighbours)
      throws InterruptedException {
    for (int shard = 0; shard < 2; shard++) {
      assertRight(neighbours.get(shard), NEIGHBOURS[shard], LONG);
    }
    Turns.assertNothingHeld(loop);
  }

  @ParameterizedTest
  @MethodSource("faultsOfASpill")
  void aSpillThatFailsIsTriedAgain(Fault fault) throws InterruptedException {
    TwoDevices two = open(fault.isLate);
    StepLoop loop = two.loop(HOST_BLOCKS);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    fault.arm(two.devices[0]);

    TwoDevices.displace(loop, 0);

    assertThat(two.devices[0].armed()).isFalse();
    assertThat(loop.stats().failed()).isZero();
    Turns.assertNothingHeld(loop);
    Generation next = Turns.serve(loop, TURN, OUTPUTS, 0);
    assertThat(next.account().restoredTokens()).isPositive();
    assertThat(next.account().recomputedTokens()).isEqualTo(QUESTION);
    assertRight(next, TURN, OUTPUTS);
    Turns.assertNothingHeld(loop);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aDeviceWhoseSpillsFailAgainAndAgainSpillsNoMoreAndServesAllTheSame(boolean isLate)
      throws InterruptedException {
    TwoDevices two = open(isLate);
    StepLoop loop = two.loop(HOST_BLOCKS);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    two.devices[0].failAt(Call.TO_HOST, 0, 3, new IllegalStateException("no way out"));

    TwoDevices.displace(loop, 0);
    TwoDevices.displace(loop, 0);

    assertThat(two.devices[0].armed()).as("all three of its failures were seen").isFalse();
    assertThat(loop.stats().spilledBlocks()).isZero();
    assertThat(loop.stats().failed()).isZero();
    assertRight(Turns.serve(loop, TURN, OUTPUTS, 0), TURN, OUTPUTS);
    // The other device still spills.
    TwoDevices.displace(loop, 1);
    TwoDevices.displace(loop, 1);
    Turns.serve(loop, OTHER, 1, 1);
    assertThat(loop.stats().spilledBlocks()).isPositive();
    Turns.assertNothingHeld(loop);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aDeviceWhoseCopiesCanNeitherBeEndedNorAwaitedIsGivenUp(boolean isLate)
      throws InterruptedException {
    TwoDevices two = open(isLate);
    StepLoop loop = two.loop(0);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    List<Generation> neighbours = neighbours(loop);
    two.devices[1].failAt(Call.SUBMIT, 0, 2, new IllegalStateException("stuck"));

    Generation moved = Turns.submit(loop, TURN, OUTPUTS, 1);
    Generation free = Turns.submit(loop, OTHER, OUTPUTS, Terms.DEFAULT);
    HandDriven.drain(loop);

    assertLost(moved);
    assertLost(neighbours.get(1));
    assertRight(neighbours.get(0), NEIGHBOURS[0], LONG);
    if (free.account().shard() == 0) {
      assertRight(free, OTHER, OUTPUTS);
    } else {
      assertLost(free);
    }
    Turns.assertNothingHeld(loop);
    assertLost(Turns.serve(loop, OTHER, OUTPUTS, 1));
    assertRight(Turns.serve(loop, TURN, OUTPUTS, 0), TURN, OUTPUTS);
    if (isLate) { // what it was handed is still there
      two.devices[1].lose(TwoDevices.gone());
    }
  }

  /** Blocks of contexts that are copied in one batch. */
  private static final int[] TOGETHER = {5, 3, 2};

  /** Turns that continue contexts of the first device on the second, all at once. */
  private static List<int[]> prepareTogether(StepLoop loop) throws InterruptedException {
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < TOGETHER.length; i++) {
      int[] first = Turns.prompt(40 + i, TOGETHER[i] * B);
      Turns.serve(loop, first, 1, 0);
      prompts.add(Turns.continued(first, lone.answer(first, 1), 50 + i, QUESTION));
    }
    return prompts;
  }

  private static List<Generation> submitTogether(StepLoop loop, List<int[]> prompts) {
    return prompts.stream().map(prompt -> Turns.submit(loop, prompt, OUTPUTS, 1)).toList();
  }

  private static void assertCopied(Generation one, int number, List<int[]> prompts)
      throws InterruptedException {
    assertRight(one, prompts.get(number), OUTPUTS);
    assertThat(one.account().copiedTokens()).isEqualTo(TOGETHER[number] * B);
    assertThat(one.account().otherShardTokens()).isZero();
  }

  private static void assertComputed(Generation one, int number, List<int[]> prompts)
      throws InterruptedException {
    assertRight(one, prompts.get(number), OUTPUTS);
    assertThat(one.account().copiedTokens()).isZero();
    assertThat(one.account().otherShardTokens()).isEqualTo(TOGETHER[number] * B);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void ofSeveralInOneBatchOnlyTheOneWhoseCopyFailsComputesAgain(boolean isLate)
      throws InterruptedException {
    for (int failing = 0; failing < TOGETHER.length; failing++) {
      TwoDevices two = open(isLate);
      StepLoop loop = two.loop(0);
      List<int[]> prompts = prepareTogether(loop);
      int before = Arrays.stream(TOGETHER, 0, failing).sum();
      two.devices[1].failAt(Call.FROM_PEER, before + 1, 1, new IllegalStateException("copy"));

      List<Generation> all = submitTogether(loop, prompts);
      HandDriven.drain(loop);

      assertThat(two.devices[1].armed()).isFalse();
      for (int i = 0; i < TOGETHER.length; i++) {
        if (i == failing) {
          assertComputed(all.get(i), i, prompts);
        } else {
          assertCopied(all.get(i), i, prompts);
        }
      }
      Turns.assertNothingHeld(loop);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aBatchThatCannotBeHandedOverConcernsAllThatWaitForIt(boolean isLate)
      throws InterruptedException {
    TwoDevices two = open(isLate);
    StepLoop loop = two.loop(0);
    List<int[]> prompts = prepareTogether(loop);
    two.devices[1].failAt(Call.SUBMIT, 0, 1, new IllegalStateException("submit"));

    List<Generation> all = submitTogether(loop, prompts);
    HandDriven.drain(loop);

    for (int i = 0; i < TOGETHER.length; i++) {
      assertComputed(all.get(i), i, prompts);
    }
    Turns.assertNothingHeld(loop);
  }

  @Test
  void whoLeavesABatchTakesNobodyAlong() throws InterruptedException {
    for (int leaving = 0; leaving < TOGETHER.length; leaving++) {
      TwoDevices two = open(true);
      StepLoop loop = two.loop(0);
      List<int[]> prompts = prepareTogether(loop);
      List<Generation> all = submitTogether(loop, prompts);
      loop.step();
      loop.step();
      for (Generation one : all) {
        ContextMove move = Turns.sequence(one).move;
        assertThat(move == null ? 0 : move.moving()).as("on its way").isPositive();
      }

      all.get(leaving).cancel();
      HandDriven.drain(loop);

      for (int i = 0; i < TOGETHER.length; i++) {
        if (i != leaving) {
          assertCopied(all.get(i), i, prompts);
        }
      }
      Turns.assertNothingHeld(loop);
    }
  }

  @Test
  void whoLeavesABatchThatFailsGivesItsBlocksBackToo() throws InterruptedException {
    for (int leaving = 0; leaving < TOGETHER.length; leaving++) {
      TwoDevices two = open(true);
      StepLoop loop = two.loop(0);
      List<int[]> prompts = prepareTogether(loop);
      List<Generation> all = submitTogether(loop, prompts);
      loop.step();
      loop.step();
      all.get(leaving).cancel();
      two.devices[1].failAt(Call.DONE, 0, 1, new IllegalStateException("done"));
      HandDriven.drain(loop);

      assertThat(two.devices[1].armed()).isFalse();
      for (int i = 0; i < TOGETHER.length; i++) {
        if (i != leaving) {
          assertRight(all.get(i), prompts.get(i), OUTPUTS);
        }
      }
      Turns.assertNothingHeld(loop);
    }
  }

  private static void assertRight(Generation one, int[] prompt, int outputs)
      throws InterruptedException {
    assertThat(Turns.answer(one)).isEqualTo(lone.answer(prompt, outputs));
  }

  private static void assertLost(Generation one) {
    assertThatThrownBy(one::await)
        .isInstanceOfSatisfying(
            RequestFailedException.class, e -> assertThat(e.deviceLost()).isTrue());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCopyWhoseSourceIsLostSparesItsHealthyDestination(boolean isLate)
      throws InterruptedException {
    TwoDevices two = open(isLate);
    StepLoop loop = two.loop(0);
    Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
    List<Generation> neighbours = neighbours(loop);

    Generation moved = Turns.submit(loop, TURN, OUTPUTS, 1);
    if (isLate) {
      loop.step();
      loop.step();
      assertThat(Turns.sequence(moved).move).as("on its way").isNotNull();
    }
    two.devices[0].lose(TwoDevices.gone());
    HandDriven.drain(loop);

    assertRight(moved, TURN, OUTPUTS);
    assertThat(moved.account().recomputedTokens()).isEqualTo(TURN.length);
    assertThat(moved.account().copiedTokens()).isZero();
    assertThat(moved.account().shard()).isEqualTo(1);
    assertLost(neighbours.get(0));
    assertRight(neighbours.get(1), NEIGHBOURS[1], LONG);
    Turns.assertNothingHeld(loop);
    assertThat(loop.shards().pool(0).cached()).as("found on the lost device").isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCallThatFailsAtAnyTimeLosesNoDeviceAndNoBlock(boolean isLate) throws InterruptedException {
    int[] back = Turns.prompt(5, CONTEXT + QUESTION);
    int happened = 0;
    for (int call = 0; call < MAX_CALLS; call += CALL_STRIDE) {
      for (int failing = 0; failing < 2; failing++) {
        try (TwoDevices two = new TwoDevices(folder, isLate)) {
          StepLoop loop = two.loop(HOST_BLOCKS);
          Turns.serve(loop, Arrays.copyOf(TURN, CONTEXT + 1), 1, 0);
          Turns.serve(loop, Arrays.copyOf(back, CONTEXT + 1), 1, 1);
          Throwable how =
              call % 2 == 0 ? new IllegalStateException("call") : new AssertionError("call");
          two.devices[failing].failAfter(call, how);

          Generation there = Turns.submit(loop, TURN, OUTPUTS, 1);
          Generation here = Turns.submit(loop, back, OUTPUTS, 0);
          Generation stays = Turns.submit(loop, OTHER, OUTPUTS, 1 - failing);
          HandDriven.drain(loop);

          happened += two.devices[failing].armed() ? 0 : 1;
          two.devices[failing].disarm();
          assertRightOrFailed(there, TURN, failing == 1);
          assertRightOrFailed(here, back, failing == 0);
          assertRightOrFailed(stays, OTHER, false);
          Turns.assertNothingHeld(loop);
          for (int shard = 0; shard < 2; shard++) {
            assertThat(Turns.answer(Turns.serve(loop, OTHER, OUTPUTS, shard)))
                .as("call %d of device %d", call, failing)
                .isEqualTo(lone.answer(OTHER, OUTPUTS));
          }
        }
      }
    }
    assertThat(happened).isGreaterThan(10);
  }

  private static void assertRightOrFailed(Generation one, int[] prompt, boolean mayFail)
      throws InterruptedException {
    try {
      assertRight(one, prompt, OUTPUTS);
    } catch (RequestFailedException failure) {
      assertThat(mayFail).as(failure.toString()).isTrue();
      assertThat(failure.deviceLost()).isFalse();
      assertThat(failure).hasMessageContaining("a step failed");
    }
  }
}
