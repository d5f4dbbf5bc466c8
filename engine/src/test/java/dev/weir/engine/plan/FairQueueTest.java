package dev.weir.engine.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Priority;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who is admitted next. */
class FairQueueTest {
  private static final int CAPACITY = 256;

  private record Waiting(String tenant, int cost, long servedWhenItCame, long aheadWhenItCame) {}

  private final FairQueue<Waiting> queue = new FairQueue<>(CAPACITY);

  private Waiting add(String tenant, int cost, int priority, long served) {
    Waiting one = new Waiting(tenant, cost, served, queue.costAhead(tenant, priority));
    queue.add(one, tenant, cost, priority);
    return one;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void forOneTenantItIsAPlainQueue(long seed) {
    Random random = new Random(seed);
    Deque<Waiting> expected = new ArrayDeque<>();
    for (int i = 0; i < 20_000; i++) {
      int action = random.nextInt(10);
      if (action < 5 && !queue.isFull()) {
        expected.addLast(add("one", 1 + random.nextInt(5000), 0, 0));
      } else if (action < 9 && !expected.isEmpty()) {
        Waiting taken = queue.take(0);
        assertThat(taken).isSameAs(expected.removeFirst());
        if (random.nextInt(10) == 0) { // preempted: goes back to the head
          queue.addFirst(taken);
          expected.addFirst(taken);
        }
      } else if (!expected.isEmpty()) {
        int index = random.nextInt(expected.size());
        Waiting gone = queue.remove(index);
        assertThat(expected.removeFirstOccurrence(gone)).isTrue();
      }
      assertThat(queue.size()).isEqualTo(expected.size());
    }
    int index = 0;
    for (Waiting one : expected) {
      assertThat(queue.get(index++)).isSameAs(one);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void tenantsThatAlwaysWaitGetTheSameShareWhateverTheirLoad(long seed) {
    Random random = new Random(seed);
    String[] tenants = {"many small", "few large", "flood"};
    int[] most = {100, 20_000, 3000};
    int[] backlog = {4, 2, 200};
    long[] served = new long[tenants.length];
    int[] waiting = new int[tenants.length];
    for (int i = 0; i < 100_000; i++) {
      for (int tenant = 0; tenant < tenants.length; tenant++) {
        while (waiting[tenant] < backlog[tenant]) {
          add(tenants[tenant], 1 + random.nextInt(most[tenant]), 0, 0);
          waiting[tenant]++;
        }
      }
      Waiting taken = queue.take(0);
      int tenant = List.of(tenants).indexOf(taken.tenant());
      waiting[tenant]--;
      served[tenant] += taken.cost();
    }
    for (long one : served) {
      assertThat(one).isCloseTo(served[0], Percentage.withPercentage(2));
    }
  }

  @Test
  void whoComesNowAndThenIsServedAtOnceBesideAFlood() {
    for (int i = 0; i < 200; i++) {
      add("flood", 1000, 0, 0);
    }
    for (int round = 0; round < 50; round++) {
      for (int i = 0; i < 3; i++) {
        assertThat(queue.take(0).tenant()).isEqualTo("flood");
        add("flood", 1000, 0, 0);
      }
      Waiting guest = add("guest", 2000, 0, 0);
      assertThat(guest.aheadWhenItCame()).isZero();
      assertThat(queue.take(0)).isSameAs(guest);
    }
  }

  @Test
  void aPriorityReordersByABoundedNumberOfTokens() {
    Waiting first = add("a", 1000, 0, 0);
    Waiting urgent = add("b", 1000, Priority.HIGHEST, 0);
    Waiting lowly = add("c", 1000, Priority.LOWEST, 0);
    assertThat(List.of(queue.get(0), queue.get(1), queue.get(2)))
        .containsExactly(urgent, first, lowly);
    long bound = -Priority.LOWEST * (long) FairQueue.PRIORITY_TOKENS;
    long served = 0;
    while (!queue.get(0).equals(lowly)) {
      served += queue.take(0).cost();
      add("d", 1000, 0, served); // one tenant that always waits: the lowly one's share is a half
    }
    assertThat(served).isBetween(bound / 2, bound + 4000);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void nobodyWaitsLongerThanTheBoundHoweverManyTenantsComeAndWhateverTheirPriority(long seed) {
    Random random = new Random(seed);
    int size = 2 + random.nextInt(60);
    int most = 1 + random.nextInt(4000);
    long served = 0;
    long newcomers = 0;
    for (int i = 0; i < 50_000; i++) {
      while (queue.size() < size) {
        boolean returning = random.nextInt(4) == 0;
        // Newcomers never end and are urgent; those who return are not.
        String tenant = returning ? "r" + random.nextInt(5) : "n" + newcomers++;
        int priority = returning ? -random.nextInt(9) : random.nextInt(9);
        add(tenant, 1 + random.nextInt(most), priority, served);
      }
      Waiting taken = queue.take(0);
      served += taken.cost();
      // The tag of the last of a tenant's is no further away than what of it may wait.
      long tag =
          (long) size * most + (Priority.HIGHEST - Priority.LOWEST) * FairQueue.PRIORITY_TOKENS;
      assertThat(served - taken.servedWhenItCame())
          .isLessThanOrEqualTo(taken.aheadWhenItCame() + tag * size);
      assertThat(queue.tenants()).isLessThanOrEqualTo(2 * CAPACITY);
    }
  }

  @Test
  void theCancelledAreRemovedAndTheirTenantIsNotCharged() {
    List<Waiting> kept = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      Waiting one = add("a", 1000 + i, 0, 0);
      if (i % 3 == 0) {
        kept.add(one);
      }
    }
    for (int i = queue.size() - 1; i >= 0; i--) {
      if ((queue.get(i).cost() - 1000) % 3 != 0) {
        queue.remove(i);
      }
    }
    assertThat(queue.size()).isEqualTo(kept.size());
    assertThat(queue.cost()).isEqualTo(kept.stream().mapToLong(Waiting::cost).sum());
    for (int i = 0; i < kept.size(); i++) {
      assertThat(queue.get(i)).isSameAs(kept.get(i));
    }
    while (queue.size() > 0) {
      queue.remove(queue.size() - 1);
    }
    add("b", 5, 0, 0);
    Waiting again = add("a", 5, 0, 0);
    assertThat(again.aheadWhenItCame()).as("served nothing, owes nothing").isEqualTo(5);
  }

  @Test
  void aFullQueueSaysSoAndTakesNothingMore() {
    for (int i = 0; i < CAPACITY; i++) {
      assertThat(queue.isFull()).isFalse();
      add("t" + i, 1, 0, 0);
    }
    Waiting late = new Waiting("late", 1, 0, 0);
    assertThat(queue.isFull()).isTrue();
    assertThatThrownBy(() -> queue.add(late, "late", 1, 0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("256");
    assertThatThrownBy(() -> queue.addFirst(late)).isInstanceOf(IllegalStateException.class);
    assertThat(queue.size()).isEqualTo(CAPACITY);
  }
}
