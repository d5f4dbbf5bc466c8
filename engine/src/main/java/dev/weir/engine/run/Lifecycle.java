package dev.weir.engine.run;

import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.engine.session.Session;
import dev.weir.engine.session.SessionStore;
import dev.weir.kernels.SampleLayout;
import org.jspecify.annotations.Nullable;

/**
 * How a sequence comes to run, is put back to wait, gets its tokens, and ends. Whoever leaves the
 * running ones gives back slot, blocks and copies here, and nowhere else; whoever ends holds
 * nothing any more.
 */
final class Lifecycle {
  static final Ending CANCELLED = new Ending(FinishReason.CANCELLED, null);
  private static final Ending STOPPED = new Ending(FinishReason.STOP, null);
  private static final Ending TOO_LONG = new Ending(FinishReason.LENGTH, null);
  private static final Ending TIMED_OUT = new Ending(FinishReason.TIMEOUT, null);

  private final Replica[] replicas;
  private final Shards shards;
  private final Transfers transfers;
  private final SessionStore sessions;
  private final Admission admission;
  private final Submissions submissions;
  private final Levels levels;
  private final Counters counters;
  private final Clock clock;
  private @Nullable JournalRing journal;

  Lifecycle(
      Replica[] replicas,
      Shards shards,
      Transfers transfers,
      SessionStore sessions,
      Admission admission,
      Submissions submissions,
      Levels levels,
      Counters counters,
      Clock clock) {
    this.replicas = replicas;
    this.shards = shards;
    this.transfers = transfers;
    this.sessions = sessions;
    this.admission = admission;
    this.submissions = submissions;
    this.levels = levels;
    this.counters = counters;
    this.clock = clock;
  }

  /** Lets a journal hear of every admission and every end. */
  void writeTo(JournalRing ring) {
    journal = ring;
  }

  /** All that can start now begin to run. */
  void admit(long now) {
    for (Sequence next = admission.next(now); next != null; next = admission.next(now)) {
      Replica replica = replicas[shards.device(next.shard)];
      next.lane = admission.lane(next, replica.running);
      replica.running.add(next);
      levels.addRunning(next.shard, 1);
      next.admittedWith = next.computed;
      next.waitingSince = replica.planner.prefillServed();
      replica.frames.clearRow(next.slot);
      Counters.add(next.ledger.queued, now - next.accountedNanos);
      next.accountedNanos = now;
      next.ledger.shard.setOpaque(next.shard);
      next.sessionTokens = knownTokens(next);
      if (journal != null) {
        journal.placement(next, shards.restored(next), now);
      }
      if (next.move != null) {
        transfers.start(next.move);
      } else {
        Accounting.placed(next, counters);
      }
    }
  }

  /** How many of a sequence's tokens its session has had in the cache before. */
  private int knownTokens(Sequence sequence) {
    Session session = sequence.job.session;
    return session == null ? 0 : sessions.known(session, sequence.tokens(), sequence.length());
  }

  /** One that runs gives its blocks, and waits before all others. */
  void preempt(Sequence sequence) {
    if (sequence.move == null) { // else it had nothing there yet
      sequence.lostTokens = sequence.computed;
    }
    waitAgain(sequence);
    Counters.add(sequence.ledger.preemptions, 1);
    Counters.add(counters.preemptions, 1);
  }

  /** One that runs starts over with what is left of its context. */
  private void waitAgain(Sequence sequence) {
    leave(sequence);
    admission.addFirst(sequence);
  }

  /**
   * A move that has left its device's copies will not arrive: its sequence starts over.
   *
   * @param sourceLost whether what it was to bring is gone; else it is computed again, for the same
   *     copy would fail again
   */
  void startOver(ContextMove move, boolean sourceLost) {
    Sequence sequence = move.sequence;
    if (!move.abandoned()) {
      long now = clock.nanos();
      Counters.add(sequence.ledger.copy, now - sequence.accountedNanos);
      sequence.accountedNanos = now;
      sequence.computesAgain |= !sourceLost;
      sequence.move = null;
      waitAgain(sequence);
    }
    shards.letGo(move);
  }

  /** Tells a sequence's reader what a step has drawn for it. */
  void publish(Sequence sequence, Sampler results, int row, long now) {
    Counters.add(counters.decodeTokens, 1);
    Ending ending = accept(sequence, results, row);
    joinSiblings(sequence.job, now);
    if (ending == null) {
      sequence.log.publish();
      sequence.job.wakeReader();
    } else {
      leaveAndEnd(sequence, ending);
    }
  }

  /** Adds a row's token to its sequence; how the sequence ends, if it does. */
  private static @Nullable Ending accept(Sequence sequence, Sampler results, int row) {
    int token = results.token(row);
    if (token == SampleLayout.NO_TOKEN) {
      return Ending.failure(
          new RequestFailedException(
              "no token could be drawn: every logit is banned or not a number"));
    }
    sequence.append(token);
    sequence.log.add(token, results.logprob(row));
    for (int rank = 0; rank < sequence.log.alternatives(); rank++) {
      sequence.log.alternative(
          rank, results.alternative(row, rank), results.alternativeLogprob(row, rank));
    }
    if (sequence.job.stopsAt(token)) {
      return STOPPED;
    }
    return sequence.full() ? TOO_LONG : null;
  }

  /** Once the first choice's prompt is computed the others find its blocks in the index. */
  private void joinSiblings(Job job, long now) {
    if (!job.siblingsJoined) {
      job.siblingsJoined = true;
      for (int choice = job.sequences().length - 1; choice > 0; choice--) {
        job.sequences()[choice].accountedNanos = now;
        admission.addFirst(job.sequences()[choice]);
      }
    }
  }

  /** Ends those of a device whose clients do not want them any more. */
  void dropCancelled(Replica replica) {
    for (int i = replica.running.count() - 1; i >= 0; i--) {
      Sequence sequence = replica.running.get(i);
      if (sequence.cancelled()) {
        leaveAndEnd(sequence, CANCELLED);
      }
    }
  }

  /** Ends those of a device that have had as much of the engine's time as they may. */
  void dropOutOfTime(Replica replica) {
    for (int i = replica.running.count() - 1; i >= 0; i--) {
      Sequence sequence = replica.running.get(i);
      TimeLimit clock = sequence.expiredClock();
      if (clock != null) {
        leave(sequence);
        expire(sequence, clock);
      }
    }
  }

  /** Ends all that run on a device. */
  void fail(Replica replica, RuntimeException cause) {
    while (replica.running.count() > 0) {
      leaveAndEnd(replica.running.get(replica.running.count() - 1), Ending.failure(cause));
    }
  }

  private void leaveAndEnd(Sequence sequence, Ending ending) {
    leave(sequence);
    end(sequence, ending);
  }

  /** Takes a sequence's slot, blocks and copies. */
  private void leave(Sequence sequence) {
    replicas[shards.device(sequence.shard)].running.remove(sequence);
    levels.addRunning(sequence.shard, -1);
    Session session = sequence.job.session;
    if (session != null && sequence.choice == 0) {
      sessions.remember(
          session,
          sequence.shard,
          sequence.tokens(),
          sequence.length(),
          sequence.indexedBlocks,
          sequence.blocks);
    }
    ContextMove move = sequence.move;
    if (move != null) {
      sequence.move = null;
      transfers.abandon(move);
    }
    shards.release(sequence);
  }

  /** One of a sequence's clocks ran out: it ends with what it has, or fails if that is nothing. */
  void expire(Sequence sequence, TimeLimit clock) {
    sequence.ledger.expire(clock);
    Counters.add(counters.timedOut(clock), 1);
    boolean nothing = sequence.length() == sequence.job.prompt().length;
    end(sequence, nothing ? Ending.failure(sequence.job.timeLimitException(clock)) : TIMED_OUT);
  }

  /**
   * Tells the reader of a choice that does not run that nothing follows. With a first choice whose
   * prompt was never computed the others of its request end too.
   */
  void end(Sequence sequence, Ending ending) {
    assert sequence.slot == Sequence.NO_SLOT && sequence.blocks.size() == 0;
    Job job = sequence.job;
    long now = clock.nanos();
    // Before the end: whoever sees it sees the blocks returned and finds room in the queue.
    levels.show(admission.waiting());
    if (job.session != null && sequence.choice == 0) {
      sessions.end(job.session, now);
    }
    tell(sequence, ending, now);
    if (sequence.choice == 0 && !job.siblingsJoined) {
      job.siblingsJoined = true;
      for (int choice = 1; choice < job.sequences().length; choice++) {
        tell(job.sequences()[choice], ending, now);
      }
    }
    job.wakeReader();
  }

  private void tell(Sequence sequence, Ending ending, long now) {
    if (ending.failure() != null) {
      Counters.add(counters.failed, 1);
    } else if (ending.reason() == FinishReason.CANCELLED) {
      Counters.add(counters.cancelled, 1);
    }
    submissions.ended();
    if (journal != null) {
      journal.end(sequence, ending, now);
    }
    sequence.log.end(ending);
  }
}
