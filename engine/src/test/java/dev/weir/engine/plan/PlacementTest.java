package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which shard a sequence goes to. */
class PlacementTest {
  private static final int CAPACITY = 100;
  private static final double MILLI = 1e6;

  /** Shards over devices as they stand; a device's shards lie side by side. */
  private static final class House {
    final Placement placement;
    final int[] held;
    final int[] idle;
    final boolean[] open;
    final double[] backlog;
    final double[] context;
    final int[] missing;

    House(int shards, int devices) {
      placement = new Placement(shards, devices);
      held = new int[shards];
      idle = new int[shards];
      open = new boolean[shards];
      java.util.Arrays.fill(open, true);
      backlog = new double[devices];
      context = new double[devices];
      missing = new int[devices];
    }

    int device(int shard) {
      return shard * backlog.length / held.length;
    }

    Placement described() {
      for (int device = 0; device < backlog.length; device++) {
        placement.device(device, backlog[device], context[device], missing[device]);
      }
      for (int shard = 0; shard < held.length; shard++) {
        placement.shard(
            shard,
            device(shard),
            CAPACITY,
            held[shard],
            open[shard] ? CAPACITY - held[shard] : 0,
            open[shard] ? CAPACITY - held[shard] - idle[shard] : 0,
            open[shard]);
      }
      return placement;
    }

    int choose(int preferred) {
      return described().choose(preferred);
    }
  }

  @ParameterizedTest
  @CsvSource({"8, 1", "8, 8", "8, 2", "8, 4"})
  void aGroupOf64OnEightShardsSpreadsEvenlyWhereContextsCostNothing(int shards, int devices) {
    House house = new House(shards, devices);
    java.util.Arrays.fill(house.missing, 1);
    for (int choice = 0; choice < 64; choice++) {
      house.held[house.choose(Placement.ANYWHERE)]++;
    }
    int most = IntStream.of(house.held).max().orElseThrow();
    int least = IntStream.of(house.held).min().orElseThrow();
    assertThat(most - least).isLessThanOrEqualTo(1);
  }

  @Test
  void aGroupThatIsCopiedToOtherDevicesSpreadsWhenItsHomeIsBusy() {
    House house = new House(8, 8);
    java.util.Arrays.fill(house.missing, 1);
    java.util.Arrays.fill(house.context, 30 * MILLI);
    house.context[3] = 0; // where the prompt was computed
    for (int choice = 0; choice < 64; choice++) {
      int shard = house.choose(3);
      house.held[shard]++;
      house.backlog[shard] += 20 * MILLI;
      if (house.context[shard] > 0) {
        house.backlog[shard] += house.context[shard]; // the copy has begun
        house.context[shard] = 0; // the next ones share it
      }
    }
    for (int held : house.held) {
      assertThat(held).isBetween(5, 12);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void theChoiceFitsAndNoOtherDeviceWouldBeMuchSoonerNorShardMuchEmptier(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 20_000; i++) {
      int devices = 1 + random.nextInt(4);
      House house = new House(devices * (1 + random.nextInt(4)), devices);
      for (int device = 0; device < devices; device++) {
        house.backlog[device] = random.nextInt(200) * MILLI;
        house.context[device] = random.nextInt(200) * MILLI;
        house.missing[device] = random.nextInt(60);
      }
      for (int shard = 0; shard < house.held.length; shard++) {
        house.held[shard] = random.nextInt(CAPACITY);
        house.open[shard] = random.nextInt(5) > 0;
      }
      int preferred = random.nextInt(house.held.length + 1) - 1;
      int chosen = house.choose(preferred);
      boolean any = IntStream.range(0, house.held.length).anyMatch(house.placement::fits);
      assertThat(chosen != Placement.NOWHERE).as("a fitting shard is found").isEqualTo(any);
      if (!any) {
        continue;
      }
      assertThat(house.placement.fits(chosen)).isTrue();
      double ready = house.backlog[house.device(chosen)] + house.context[house.device(chosen)];
      boolean home =
          preferred != Placement.ANYWHERE && house.device(chosen) == house.device(preferred);
      double guard = home ? Placement.OVERLOAD_NANOS : Placement.NEGLIGIBLE_NANOS;
      for (int other = 0; other < house.held.length; other++) {
        if (house.placement.fits(other)) {
          int device = house.device(other);
          assertThat(ready)
              .isLessThanOrEqualTo(house.backlog[device] + house.context[device] + guard);
          if (device == house.device(chosen)) {
            double slack = chosen == preferred ? Placement.OVERLOAD * CAPACITY : 0;
            assertThat((double) house.held[chosen]).isLessThanOrEqualTo(house.held[other] + slack);
          }
        }
      }
    }
  }

  @Test
  void onOneDeviceAPreferenceHoldsUntilItsShardIsAQuarterFuller() {
    House house = new House(4, 1);
    house.missing[0] = 5;
    house.held[2] = 25;
    assertThat(house.choose(2)).isEqualTo(2);
    house.held[2] = 26;
    assertThat(house.choose(2)).isZero();
    house.held[2] = 0;
    assertThat(house.choose(2)).isEqualTo(2);
    assertThat(house.choose(Placement.ANYWHERE)).isZero();
  }

  @Test
  void noIdleContextIsGivenAwayWhileAnotherShardOfTheDeviceHasEmptyBlocks() {
    House house = new House(3, 1);
    house.missing[0] = 10;
    house.idle[0] = 95;
    house.held[1] = 40;
    house.held[2] = 50;
    assertThat(house.choose(Placement.ANYWHERE)).isEqualTo(1);
    assertThat(house.choose(0)).isEqualTo(1);
    house.idle[1] = 55;
    assertThat(house.choose(0)).isEqualTo(2);
    house.idle[2] = 45;
    assertThat(house.choose(Placement.ANYWHERE)).as("where all must give").isZero();
  }

  @Test
  void aSessionStaysHomeUntilItsDeviceIsOverloaded() {
    House house = new House(2, 2);
    house.context[1] = 80 * MILLI; // to copy the session's context there
    house.backlog[0] = 120 * MILLI;
    assertThat(house.choose(0)).isZero();
    house.backlog[0] = 140 * MILLI;
    assertThat(house.choose(0)).isEqualTo(1);
  }

  @Test
  void aPinIsHonouredOrRefused() {
    House house = new House(4, 2);
    house.backlog[1] = 1000 * MILLI;
    house.missing[1] = 10;
    assertThat(house.described().choosePinned(3)).isEqualTo(3);
    house.held[3] = 91;
    assertThat(house.described().choosePinned(3)).isEqualTo(Placement.NOWHERE);
    house.held[3] = 0;
    house.open[3] = false;
    assertThat(house.described().choosePinned(3)).isEqualTo(Placement.NOWHERE);
  }

  @Test
  void aClosedShardIsNeverChosenEvenIfPreferred() {
    House house = new House(2, 2);
    house.open[0] = false;
    assertThat(house.choose(0)).isEqualTo(1);
    house.open[1] = false;
    assertThat(house.choose(0)).isEqualTo(Placement.NOWHERE);
  }
}
