package dev.weir.engine.run;

import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Drives the devices: gives sequences their blocks, plans, launches, awaits, and hands on what was
 * drawn.
 *
 * <p>On an asynchronous device a step is launched before the one before is awaited, so that the
 * device never waits for the host. A token that the step in flight draws is then a pending token
 * like any other, only that the device alone knows which. A sequence may turn out to have ended
 * when it is in the next step already: what that step draws for it is dropped, and its slot and
 * blocks are given away at once. That is safe because the device does all work in the order in
 * which it was launched: whoever gets a block writes it after the late step did, and reads only
 * what it wrote itself or found in the prefix index; and that late step writes behind all tokens
 * that were computed, so never into a block of the index, whose blocks are full.
 *
 * <p>Several devices run free of each other, or in lockstep: then all begin a step together, and
 * the latency target is that of the one whose decode rows take longest, so that all are filled to
 * the same time.
 *
 * <p>Sequences run in order of admission. One that grows takes blocks of its shard, or else of
 * another of its device; when the device has none left the youngest give theirs back, keep their
 * tokens, and wait at the head of the queue; their full blocks stay in the prefix index until they
 * are needed, so that a restart is a prefix hit. The oldest is never preempted, so there is always
 * progress.
 */
final class StepDriver {
  /** With several devices to look at the loop first asks them so often … */
  private static final int SPINS = 2000;

  /** … and then sleeps so long between two looks: little beside a step. */
  private static final long LOOK_NANOS = 20_000;

  private final Replica[] replicas;
  private final Shards shards;
  private final Transfers transfers;
  private final Lifecycle lifecycle;
  private final DeviceFailures failures;
  private final boolean lockstep;
  private final Counters counters;
  private final StepLog steps;
  private final Clock clock;
  private final BooleanSupplier wanted;
  private final boolean[] due;
  private @Nullable JournalRing journal;

  /** Of the current round: what the devices computed in, or were waited for. */
  private long notHostNanos;

  /** Whether a step of this round was launched to a device that had nothing to do. */
  private boolean launchedIdle;

  /**
   * @param wanted whether the loop has something to do that cannot wait for a device
   */
  StepDriver(
      Replica[] replicas,
      Shards shards,
      Transfers transfers,
      Lifecycle lifecycle,
      DeviceFailures failures,
      boolean lockstep,
      Counters counters,
      StepLog steps,
      Clock clock,
      BooleanSupplier wanted) {
    this.replicas = replicas;
    this.shards = shards;
    this.transfers = transfers;
    this.lifecycle = lifecycle;
    this.failures = failures;
    this.lockstep = lockstep;
    this.counters = counters;
    this.steps = steps;
    this.clock = clock;
    this.wanted = wanted;
    due = new boolean[replicas.length];
  }

  /** Lets a journal hear of every step. */
  void writeTo(JournalRing ring) {
    journal = ring;
  }

  /** Whether anything runs or is in flight. */
  boolean busy() {
    for (Replica replica : replicas) {
      if (!replica.idle()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Goes on with every device; where none has got further, waits until one can.
   *
   * @param moved whether the round has got further already
   * @return whether it has now
   */
  boolean advance(boolean moved) {
    long begun = clock.nanos();
    notHostNanos = 0;
    launchedIdle = false;
    boolean progressed = lockstep ? advanceTogether() : advanceEach();
    if (!progressed && !moved) {
      awaitAny();
    }
    long host = clock.nanos() - begun - notHostNanos;
    Counters.add(counters.hostNanos, host);
    Counters.add(counters.exposedNanos, launchedIdle ? host : 0);
    return progressed || moved;
  }

  /** Every device goes on by itself; whether any did. */
  private boolean advanceEach() {
    boolean progressed = false;
    for (Replica replica : replicas) {
      if (replica.idle()) {
        continue;
      }
      try {
        progressed |= advance(replica);
      } catch (RuntimeException | Error failure) {
        failures.fail(replica, failure);
        progressed = true;
      }
    }
    return progressed;
  }

  /**
   * Launches a device's next step, then completes the one before, so that the device never waits.
   */
  private boolean advance(Replica replica) {
    boolean progressed = false;
    while (replica.frames.inFlight() > 0 && mustCompleteFirst(replica)) {
      if (!mayComplete(replica)) {
        return progressed;
      }
      complete(replica);
      progressed = true;
    }
    boolean launched = false;
    if (!replica.frames.allInFlight()) {
      prepare(replica);
      launched = launch(replica, 0);
    }
    boolean full = replica.frames.allInFlight() || !launched;
    if (replica.frames.inFlight() > 0 && full && mayComplete(replica)) {
      complete(replica);
      progressed = true;
    }
    return progressed || launched;
  }

  /** Whether a device's step is done, or nothing else is to be done meanwhile. */
  private boolean mayComplete(Replica replica) {
    return (replicas.length == 1 && !transfers.underWay()) || replica.hasDoneStep(clock);
  }

  /** All devices begin and end their steps together; whether they did. */
  private boolean advanceTogether() {
    boolean progressed = false;
    while (someMustComplete()) {
      progressed = completeAll();
    }
    double longest = 0;
    for (Replica replica : replicas) {
      if (!replica.idle()) {
        prepare(replica);
        longest = Math.max(longest, replica.planner.decodeNanos(replica.demand));
      }
    }
    boolean launched = false;
    for (Replica replica : replicas) {
      if (!replica.idle()) {
        try {
          launched |= launch(replica, longest);
        } catch (RuntimeException | Error failure) {
          failures.fail(replica, failure);
          progressed = true;
        }
      }
    }
    return launched || progressed || completeAll();
  }

  /** Whether a device has steps in flight of which one must be done before the next. */
  private boolean someMustComplete() {
    for (Replica replica : replicas) {
      if (replica.frames.inFlight() > 0
          && (replica.frames.allInFlight() || mustCompleteFirst(replica))) {
        return true;
      }
    }
    return false;
  }

  /**
   * Awaits each device's oldest step, in the order in which they end: one that is looked at late
   * would seem slow.
   */
  private boolean completeAll() {
    int left = 0;
    for (Replica replica : replicas) {
      due[replica.number] = replica.frames.inFlight() > 0;
      left += due[replica.number] ? 1 : 0;
    }
    boolean any = left > 0;
    for (int looks = 0; left > 0; looks++) {
      for (Replica replica : replicas) {
        // Also those that are not due: they may be done with the step after it meanwhile.
        boolean done = replicas.length == 1 || doneOrFailed(replica);
        if (done && due[replica.number]) {
          due[replica.number] = false;
          left--;
          completeOrFail(replica);
        }
      }
      if (left > 0) {
        pause(looks);
      }
    }
    return any;
  }

  /** Awaits all that is in flight, without launching more. */
  void finish() {
    for (Replica replica : replicas) {
      while (replica.frames.inFlight() > 0) {
        complete(replica);
      }
    }
  }

  /** Nothing can be done before some device is done with a step or a copy. */
  void awaitAny() {
    Replica only = null;
    int inFlight = 0;
    for (Replica replica : replicas) {
      if (replica.frames.inFlight() > 0) {
        only = replica;
        inFlight++;
      }
    }
    if (inFlight == 1 && only != null && !transfers.underWay()) {
      completeOrFail(only);
      return;
    }
    for (int looks = 0; !anythingDone() && !wanted.getAsBoolean(); looks++) {
      pause(looks);
    }
  }

  /** Between two looks at devices that compute. */
  private void pause(int looks) {
    long before = clock.nanos();
    if (looks < SPINS) {
      Thread.onSpinWait();
    } else {
      LockSupport.parkNanos(this, LOOK_NANOS);
      counters.heartbeat.setOpaque(clock.nanos());
    }
    notHostNanos += clock.nanos() - before;
  }

  private boolean anythingDone() {
    for (Replica replica : replicas) {
      if (doneOrFailed(replica) || canAdvanceOrFailed(replica)) {
        return true;
      }
    }
    return false;
  }

  /** Whether a device's oldest step has ended; whoever completes it learns how. */
  private boolean doneOrFailed(Replica replica) {
    try {
      return replica.hasDoneStep(clock);
    } catch (RuntimeException | Error failure) {
      return true;
    }
  }

  private boolean canAdvanceOrFailed(Replica replica) {
    try {
      return transfers.canAdvance(replica.number);
    } catch (RuntimeException | Error failure) {
      return true;
    }
  }

  /**
   * Whether the step in flight must be done before the next can be filled: a row with penalties
   * counts its last token (so while such a one runs, the host's work is not hidden behind the
   * device's), and before a sequence is preempted for want of blocks those that end give theirs.
   */
  private boolean mustCompleteFirst(Replica replica) {
    int missing = 0;
    for (int i = 0; i < replica.running.count(); i++) {
      Sequence sequence = replica.running.get(i);
      if (sequence.counts != null && sequence.drawing()) {
        return true;
      }
      missing += missingBlocks(sequence);
    }
    return missing > shards.available(replica.number);
  }

  /** Blocks that a sequence lacks for its pending tokens. */
  private static int missingBlocks(Sequence sequence) {
    return Math.max(
        0, Sequence.blocksFor(sequence.computed + sequence.pending()) - sequence.blocks.size());
  }

  /** Says what a device's next step may compute, each of it with its blocks. */
  private void prepare(Replica replica) {
    growBlockTables(replica);
    replica.describeDemand();
  }

  /**
   * A decode row at a block boundary needs a block; where its device has none left, the youngest
   * give theirs.
   */
  private void growBlockTables(Replica replica) {
    int i = 0;
    while (i < replica.running.count()) {
      Sequence sequence = replica.running.get(i);
      if (missingBlocks(sequence) == 0) {
        i++; // one that is preempted itself makes room at its index for the next
        continue;
      }
      int block = shards.allocate(sequence.shard);
      if (block >= 0) {
        sequence.blocks.add(block);
      } else {
        assert replica.frames.inFlight() == 0 : "one that comes back must know all its tokens";
        lifecycle.preempt(replica.running.get(replica.running.count() - 1));
      }
    }
  }

  /**
   * Plans a device's next step and hands it over; false if there is nothing to compute.
   *
   * @param longestDecodeNanos what the slowest device's decode rows take, in lockstep
   */
  private boolean launch(Replica replica, double longestDecodeNanos) {
    StepFrame frame = replica.frames.next();
    replica.planner.plan(replica.demand, frame.plan(), longestDecodeNanos);
    if (!frame.fill(replica.running)) {
      return false;
    }
    launchedIdle |= replica.frames.inFlight() == 0;
    long before = clock.nanos();
    frame.launch(before);
    replica.frames.launched();
    if (replica.frames.count() == 1) {
      notHostNanos += clock.nanos() - before; // the launch was the step itself
    }
    return true;
  }

  private void completeOrFail(Replica replica) {
    try {
      complete(replica);
    } catch (RuntimeException | Error failure) {
      failures.fail(replica, failure);
    }
  }

  /** Awaits the step that a device has had in flight for longest, and tells what it drew. */
  private void complete(Replica replica) {
    StepFrame frame = replica.frames.oldest();
    long before = clock.nanos();
    frame.await(clock);
    replica.frames.completed();
    long now = clock.nanos();
    notHostNanos += now - before;
    long took = replica.tookNanos(frame);
    replica.cost.learn(frame.plan().work(), (double) took);
    if (journal != null) {
      journal.step(replica.number, frame.doneNanos(), took, frame);
    }
    Counters.add(counters.steps, 1);
    Counters.add(counters.stepNanos, took);
    Counters.add(counters.prefillTokens, frame.prefillTokens());
    steps.add(replica.number, frame.doneNanos(), took, frame);
    Accounting.computed(replica, frame, now, counters);
    for (int slice = 0; slice < frame.slices(); slice++) {
      if (frame.sequence(slice).runs()) {
        shards.remember(frame.sequence(slice), frame.computed(slice));
      }
    }
    for (int row = 0; row < frame.samples(); row++) {
      if (frame.sampled(row).runs()) {
        lifecycle.publish(frame.sampled(row), frame.sampler(), row, now);
      }
    }
    frame.clear();
    lifecycle.dropOutOfTime(replica);
  }
}
