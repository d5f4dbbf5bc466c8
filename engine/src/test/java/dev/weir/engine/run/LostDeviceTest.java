package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * One of two asynchronous devices is lost between any two rounds of the loop, with steps in flight,
 * and with copies in flight to it, from it, and to host memory. What runs on it fails and says why,
 * all else gets the bits of its lone run, and every block comes back.
 */
@Timeout(240)
class LostDeviceTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int CONTEXT = 5 * B;
  private static final int QUESTION = 20;
  private static final int OUTPUTS = 12;

  /** Fewer than lie idle, so that host memory's blocks change hands too. */
  private static final int HOST_BLOCKS = 24;

  /** More rounds than the requests take. */
  private static final int MAX_ROUNDS = 200;

  /** Not each: the loop does much alike in two rounds that follow. */
  private static final int STRIDE = 2;

  @TempDir static Path folder;
  private static Turns.Alone lone;

  @BeforeAll
  static void load() {
    TinyModel.write(folder, DType.F32, 1);
    lone = new Turns.Alone(folder);
  }

  @AfterAll
  static void close() {
    lone.close();
  }

  /** What one of the requests asks for, and the shard that it is pinned to, or -1. */
  private record Guest(int[] prompt, int shard) {
    Terms terms() {
      Terms terms = Terms.DEFAULT.withSession("of " + prompt[0] + " and " + prompt[1]);
      return shard < 0 ? terms : terms.withShard(shard);
    }
  }

  private static final int[] FIRST = Turns.prompt(1, CONTEXT + QUESTION);
  private static final int[] SECOND = Turns.prompt(2, CONTEXT + QUESTION);
  private static final int[] SPILLED = Turns.prompt(3, CONTEXT + QUESTION);

  private static final List<Guest> GUESTS =
      List.of(
          new Guest(Turns.prompt(4, 2 * B), 0),
          new Guest(Turns.prompt(5, 2 * B), 1),
          new Guest(FIRST, 1), // copied from device 0
          new Guest(SECOND, 0), // copied from device 1
          new Guest(SPILLED, 0), // restored
          new Guest(Turns.prompt(6, 3 * B), -1),
          new Guest(Turns.prompt(7, 4 * B), -1));

  @ParameterizedTest
  @CsvSource({"0, false", "1, false", "0, true", "1, true"})
  void aDeviceThatIsLostBetweenAnyTwoRoundsTakesOnlyWhatRunsThere(int lost, boolean lockstep)
      throws InterruptedException {
    Midst midst = new Midst();
    boolean over = false;
    for (int rounds = 1; !over; rounds += STRIDE) {
      assertThat(rounds).isLessThan(MAX_ROUNDS);
      try (TwoDevices two = new TwoDevices(folder, true)) {
        StepLoop loop = prepared(two, lockstep);
        List<Generation> all = new ArrayList<>();
        for (Guest guest : GUESTS) {
          all.add(Turns.submit(loop, guest.prompt, OUTPUTS, guest.terms()));
        }
        over = !goRound(loop, rounds);
        midst.note(two, loop, lost);
        two.devices[lost].lose(TwoDevices.gone());
        HandDriven.drain(loop);
        for (int i = 0; i < GUESTS.size(); i++) {
          check(GUESTS.get(i), all.get(i), lost);
        }
        checkAfter(loop, lost);
      }
    }
    midst.check(lost == 0 && !lockstep);
  }

  /** A loop in which contexts lie on either device and in host memory. */
  private static StepLoop prepared(TwoDevices two, boolean lockstep) {
    StepLoop loop =
        two.model.loop(
            TwoDevices.options(HOST_BLOCKS).withLockstep(lockstep),
            TwoDevices.BLOCKS,
            TwoDevices.BLOCKS);
    Turns.serve(loop, Arrays.copyOf(SPILLED, CONTEXT + 1), 1, 0);
    TwoDevices.displace(loop, 0);
    Turns.serve(loop, Arrays.copyOf(FIRST, CONTEXT + 1), 1, 0);
    Turns.serve(loop, Arrays.copyOf(SECOND, CONTEXT + 1), 1, 1);
    return loop;
  }

  /** Whether there is anything left to do after so many rounds. */
  private static boolean goRound(StepLoop loop, int rounds) {
    boolean more = true;
    for (int round = 0; more && round < rounds; round++) {
      more = loop.step();
    }
    return more;
  }

  /** What was under way when the device was lost, over all runs. */
  private static final class Midst {
    private int steps;
    private int copiesToIt;
    private int copiesFromIt;
    private int copiesToHost;

    void note(TwoDevices two, StepLoop loop, int lost) {
      steps += two.late(lost).computes() ? 1 : 0;
      boolean copies = two.late(lost).copiesInFlight() > 0;
      boolean spills = copies && loop.transfers().spills(lost);
      copiesToIt += copies && !spills ? 1 : 0;
      copiesToHost += spills ? 1 : 0;
      copiesFromIt += two.late(lost).isReadBy(two.late(1 - lost)) ? 1 : 0;
    }

    /**
     * @param full whether the lost one was full soon enough
     */
    void check(boolean full) {
      assertThat(steps).as("lost with steps in flight").isPositive();
      assertThat(copiesToIt).as("lost with copies to it in flight").isPositive();
      assertThat(copiesFromIt).as("lost with copies from it in flight").isPositive();
      if (full) {
        assertThat(copiesToHost).as("lost while it spilled").isPositive();
      }
    }
  }

  /** Served with the right bits; or it ran on the lost device, and says so. */
  private static void check(Guest guest, Generation one, int lost) throws InterruptedException {
    try {
      assertThat(Turns.answer(one)).isEqualTo(lone.answer(guest.prompt, OUTPUTS));
    } catch (RequestFailedException failure) {
      assertThat(failure.deviceLost()).as(failure.toString()).isTrue();
      assertThat(failure).hasMessageContaining("is gone");
      int ran = guest.shard < 0 ? one.account().shard() : guest.shard;
      assertThat(ran).isEqualTo(lost);
    }
  }

  private static void checkAfter(StepLoop loop, int lost) throws InterruptedException {
    Turns.assertNothingHeld(loop);
    int[] prompt = SPILLED;
    Generation pinned = Turns.serve(loop, prompt, OUTPUTS, lost);
    assertThatThrownBy(pinned::await)
        .isInstanceOfSatisfying(
            RequestFailedException.class, e -> assertThat(e.deviceLost()).isTrue());
    assertThat(loop.shards().open(lost)).isFalse();
    assertThat(loop.shards().pool(lost).cached()).as("findable on the lost device").isZero();
    assertThat(loop.shards().pool(lost).leased()).isZero();
    Generation elsewhere = Turns.serve(loop, prompt, OUTPUTS, 1 - lost);
    assertThat(Turns.answer(elsewhere)).isEqualTo(lone.answer(prompt, OUTPUTS));
    Turns.assertNothingHeld(loop);
  }
}
