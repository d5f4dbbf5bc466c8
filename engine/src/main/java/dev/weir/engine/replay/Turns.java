package dev.weir.engine.replay;

import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalRecord;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * When a journal's requests come in another schedule: as late after the first as they came; but a
 * turn that came after the end of its session's turn before comes as late after that.
 */
final class Turns {
  private record Coming(long nanos, JournalRecord.Arrival arrival) {}

  private record Following(long gapNanos, JournalRecord.Arrival arrival) {}

  private final PriorityQueue<Coming> coming =
      new PriorityQueue<>(
          Comparator.comparingLong(Coming::nanos).thenComparingLong(next -> next.arrival.number()));

  /** By the number of the request that they follow. */
  private final Map<Long, List<Following>> following = new HashMap<>();

  private final Map<Long, Integer> choicesLeft = new HashMap<>();

  Turns(JournalFile journal) {
    Map<Long, Long> ended = new HashMap<>();
    for (JournalRecord.End end : journal.ends()) {
      ended.merge(end.request(), end.nanos(), Math::max);
    }
    Map<String, JournalRecord.Arrival> lastTurns = new HashMap<>();
    long first = journal.arrivals().isEmpty() ? 0 : journal.arrivals().getFirst().nanos();
    for (JournalRecord.Arrival arrival : journal.arrivals()) {
      choicesLeft.put(arrival.number(), arrival.request().choices());
      JournalRecord.Arrival before =
          arrival.request().terms().session().map(id -> lastTurns.put(id, arrival)).orElse(null);
      Long end = before == null ? null : ended.get(before.number());
      if (before != null && end != null && end <= arrival.nanos()) {
        following
            .computeIfAbsent(before.number(), number -> new ArrayList<>())
            .add(new Following(arrival.nanos() - end, arrival));
      } else {
        coming.add(new Coming(arrival.nanos() - first, arrival));
      }
    }
  }

  /** Whether nobody comes, unless after the end of somebody who is there. */
  boolean isEmpty() {
    return coming.isEmpty();
  }

  /** When the next one comes. */
  long nextNanos() {
    return coming.element().nanos;
  }

  /** The next one. */
  JournalRecord.Arrival take() {
    return coming.remove().arrival;
  }

  /** A choice of a request has ended: what follows it will come. */
  void ended(long number, long nanos) {
    if (choicesLeft.merge(number, -1, Integer::sum) == 0) {
      for (Following next : following.getOrDefault(number, List.of())) {
        coming.add(new Coming(nanos + next.gapNanos, next.arrival));
      }
    }
  }
}
