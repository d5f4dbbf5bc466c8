package dev.weir.engine.run;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.engine.session.Session;
import dev.weir.engine.session.SessionStore;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.SampleLayout;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The heart: one thread that owns every sequence, block, batch and all devices, and goes round:
 * take what was submitted, drop what was cancelled or ran out of time, move blocks, admit, plan,
 * launch, await, publish. No locks; in steady state nothing is allocated.
 *
 * <p>On an asynchronous device the loop launches a step before it awaits the one before, so that
 * the device never waits for the host. A token that the step in flight draws is then a pending
 * token like any other, only that the device alone knows which. A sequence may turn out to have
 * ended when it is in the next step already: what that step draws for it is dropped, and its slot
 * and blocks are given away at once. That is safe because the device does all work in the order in
 * which it was launched: whoever gets a block writes it after the late step did, and reads only
 * what it wrote itself or found in the prefix index; and that late step writes behind all tokens
 * that were computed, so never into a block of the index, whose blocks are full.
 *
 * <p>Several devices run free of each other, or in lockstep: then all begin a step together, and
 * the latency target is that of the one whose decode rows take longest, so that all are filled to
 * the same time.
 *
 * <p>Sequences run in order of admission. When a shard is exhausted the youngest that hold blocks
 * of it give them back, keep their tokens, and wait at the head of the queue; their full blocks
 * stay in the prefix index until they are needed, so that a restart is a prefix hit. The oldest is
 * never preempted, so there is always progress.
 */
public final class StepLoop {
  private static final Logger LOG = System.getLogger(StepLoop.class.getName());

  /** How long an idle loop sleeps at most, so that its heartbeat shows it alive. */
  private static final long IDLE_BEAT_NANOS = 200_000_000;

  /** Sessions that are described between two steps: a fraction of a millisecond. */
  private static final int LISTED_AT_ONCE = 128;

  /** How long {@link #close} waits for the steps in flight. */
  private static final long CLOSE_MILLIS = 60_000;

  /** With several devices to look at the loop first asks them so often … */
  private static final int SPINS = 2000;

  /** … and then sleeps so long between two looks: little beside a step. */
  private static final long LOOK_NANOS = 20_000;

  private static final Ending CANCELLED = new Ending(FinishReason.CANCELLED, null);
  private static final Ending STOPPED = new Ending(FinishReason.STOP, null);
  private static final Ending TOO_LONG = new Ending(FinishReason.LENGTH, null);
  private static final Ending TIMED_OUT = new Ending(FinishReason.TIMEOUT, null);

  private final @Nullable Tokenizer tokenizer;
  private final int vocabulary;
  private final LoopOptions options;
  private final Clock clock;
  private final Replica[] replicas;
  private final Shards shards;
  private final Transfers transfers;
  private final SessionStore sessions;
  private final Admission admission;
  private final Counters counters = new Counters();
  private final StepLog steps = new StepLog();
  private final Levels levels;
  private final Thread thread;

  private final int[] missing;
  private final Predicate<Sequence> isExpired = this::isExpired;
  private final Predicate<Sequence> isStranded = this::isStranded;
  private final Consumer<Sequence> endCancelled = this::endCancelled;
  private final Consumer<Sequence> endExpired = this::endExpired;
  private final Consumer<Sequence> endStranded = this::endStranded;

  /** Of the current round: when it began, and what the devices computed in or were waited for. */
  private long roundNanos;

  private long notHostNanos;

  /** Whether a step of this round was launched to a device that had nothing to do. */
  private boolean launchedIdle;

  /** No sequence that waits runs out of time before this. */
  private long nextExpiry = Long.MAX_VALUE;

  private @Nullable JournalRing journal;

  private final Submissions submissions;
  private final Questions questions = new Questions();
  private final AtomicInteger cancelRequests = new AtomicInteger();

  /**
   * @param models each device with the model on it, all of the same model; at least one
   * @param tokenizer what readers turn ids into text with; null where nobody reads
   * @param endIds the model's own end-of-sequence tokens
   */
  public StepLoop(
      List<DeviceModel> models,
      @Nullable Tokenizer tokenizer,
      int[] endIds,
      LoopOptions options,
      Clock clock) {
    if (endIds.length > Sampler.MAX_END_IDS) {
      throw new IllegalArgumentException(
          "more than " + Sampler.MAX_END_IDS + " end-of-sequence ids");
    }
    this.tokenizer = tokenizer;
    this.options = options;
    this.clock = clock;
    DeviceModel first = models.getFirst();
    vocabulary = first.transformer().vocabulary();
    shards =
        new Shards(
            models.stream().mapToInt(model -> model.arena().blocks()).toArray(),
            options.shards(),
            hostMemory(first, options),
            first.arena().shape().blockBytes(),
            Sequence.blocksFor(options.maxLength()),
            options.reusePrefixes());
    missing = new int[shards.count()];
    replicas = new Replica[models.size()];
    for (int i = 0; i < replicas.length; i++) {
      replicas[i] = new Replica(i, models.get(i), shards.firstBlock(i), options);
    }
    levels = new Levels(replicas, shards, counters, options);
    transfers = new Transfers(replicas, shards, first.arena().shape(), counters, clock);
    sessions =
        new SessionStore(
            shards.index(), shards.root(), shards.capacity(), shards::owner, options.leaseNanos());
    int capacity = options.slots() * replicas.length + options.queue();
    admission =
        new Admission(Math.max(1, capacity), replicas, shards, transfers, sessions, options);
    long inBlocks = (long) shards.quota() * KvShape.BLOCK_TOKENS;
    submissions =
        new Submissions(
            (int) Math.min(options.maxLength(), inBlocks),
            capacity,
            shards.count(),
            vocabulary,
            endIds,
            options,
            counters);
    counters.heartbeat.set(clock.nanos());
    thread = Thread.ofPlatform().name("weir-step").daemon(true).unstarted(this::run);
  }

  private static MemorySegment hostMemory(DeviceModel first, LoopOptions options) {
    long bytes = options.hostBlocks() * first.arena().shape().blockBytes();
    return bytes == 0 ? MemorySegment.NULL : first.device().hostMemory(bytes, "idle KV");
  }

  /**
   * Teaches the cost models with made-up steps, before the first request. Stops when {@code time}
   * is spent, over all devices; also warms up code and memory.
   */
  public void calibrate(Duration time) {
    for (Replica replica : replicas) {
      new Calibration(replica.frames, shards.firstBlock(replica.number), replica.cost, clock)
          .run(
              Math.min(limit(), shards.blocksOf(replica.number) * KvShape.BLOCK_TOKENS),
              options.plan().stepTokens(),
              vocabulary,
              time.dividedBy(replicas.length));
    }
    levels.forecast(admission, submissions);
  }

  /** Before the first step: lets a journal hear of everything. */
  public void writeTo(Journal journal) {
    this.journal = journal.ring();
  }

  /** What a journal says of this loop. */
  public Map<String, Object> journalOptions() {
    return JournalHeader.options(
        options, replicas.length, shards.capacity() / replicas.length, limit());
  }

  /** Starts the loop's thread. Tests that call {@link #step} themselves do not. */
  public void start() {
    thread.start();
  }

  /**
   * Any thread: takes a request.
   *
   * @param prompt the request's prompt as token ids
   * @throws InvalidRequestException if it can never be served
   * @throws OverloadedException if the queue is full, or predicted to take too long
   * @throws EngineClosedException if the loop is closed
   */
  public Generation submit(Request request, int[] prompt) {
    Generation generation =
        submissions.submit(request, prompt, job -> new StepLoopGeneration(job, this, tokenizer));
    LockSupport.unpark(thread);
    return generation;
  }

  /**
   * Any thread: refuses what comes after {@link #close}.
   *
   * @throws EngineClosedException if the loop is closed
   */
  public void requireOpen() {
    submissions.requireOpen();
  }

  /** The longest a sequence can become: the context, or all blocks if they are fewer. */
  public int limit() {
    return submissions.limit();
  }

  /** Any thread: ends some choices of a job within one step. */
  void cancel(Sequence... sequences) {
    for (Sequence sequence : sequences) {
      sequence.requestCancel();
    }
    cancelRequests.incrementAndGet();
    LockSupport.unpark(thread);
  }

  /** Any thread: what was done and is held. */
  public EngineStats stats() {
    return counters.snapshot(shards.capacity(), shards.host().pool().capacity(), clock.nanos());
  }

  /** Any thread: the last steps with a greater number, oldest first. */
  public List<StepRecord> steps(long after) {
    return steps.after(after);
  }

  /** Any thread: what each shard holds, as of a moment ago. */
  public List<ShardStats> shardStats() {
    return levels.shards();
  }

  /** Any thread: all sessions, those with the latest request last. */
  public List<SessionInfo> sessions() {
    List<SessionInfo> all = new ArrayList<>();
    int found;
    do { // in parts, between steps
      int first = all.size();
      List<SessionInfo> some = ask(() -> sessions.list(first, LISTED_AT_ONCE, clock.nanos()));
      all.addAll(some);
      found = some.size();
    } while (found == LISTED_AT_ONCE);
    return all;
  }

  /** Any thread: as {@link SessionStore#info}. */
  public SessionInfo session(String id) {
    return ask(() -> sessions.info(id, clock.nanos()));
  }

  /** Any thread: as {@link SessionStore#remove}. */
  public void endSession(String id) {
    ask(
        () -> {
          sessions.remove(id);
          return id;
        });
  }

  private <T> T ask(Callable<T> question) {
    return questions.ask(question, () -> LockSupport.unpark(thread));
  }

  private void answer() {
    questions.answer();
  }

  private void run() {
    try {
      while (!submissions.closed()) {
        if (!step()) {
          LockSupport.parkNanos(this, IDLE_BEAT_NANOS);
        }
      }
      for (Replica replica : replicas) {
        while (replica.frames.inFlight() > 0) {
          complete(replica);
        }
      }
    } catch (RuntimeException | Error failure) {
      LOG.log(Level.ERROR, "the step loop failed; the engine is closed", failure);
      submissions.close();
    } finally {
      for (Replica replica : replicas) {
        replica.frames.abandon();
        failRunning(replica, new EngineClosedException());
      }
      transfers.close();
      admission.removeIf(
          all -> true, sequence -> end(sequence, Ending.failure(new EngineClosedException())));
      submissions.failAll();
      questions.close();
    }
  }

  /**
   * Goes round once; false if there was nothing to compute, nor anything on its way. For those who
   * drive the loop by hand instead of {@link #start}.
   */
  public boolean step() {
    roundNanos = clock.nanos();
    counters.heartbeat.setOpaque(roundNanos);
    takeSubmitted();
    dropCancelled();
    dropExpired();
    sessions.endLeases(roundNanos);
    answer();
    boolean progressed = moveBlocks();
    admit();
    boolean busy = busy();
    if (busy) {
      long begun = clock.nanos();
      notHostNanos = 0;
      launchedIdle = false;
      progressed |= options.lockstep() ? advanceTogether() : advanceEach();
      if (!progressed) {
        awaitAny();
      }
      long host = clock.nanos() - begun - notHostNanos;
      Counters.add(counters.hostNanos, host);
      Counters.add(counters.exposedNanos, launchedIdle ? host : 0);
    } else if (!progressed && transfers.underWay()) {
      awaitAny();
    }
    levels.forecast(admission, submissions);
    levels.show(admission.waiting());
    return busy || progressed || transfers.underWay();
  }

  private boolean busy() {
    for (Replica replica : replicas) {
      if (!replica.idle()) {
        return true;
      }
    }
    return false;
  }

  private void takeSubmitted() {
    for (Job job = submissions.take(); job != null; job = submissions.take()) {
      Sequence first = job.sequences()[0];
      if (journal != null) {
        journal.arrival(job, roundNanos);
      }
      first.accountedNanos = roundNanos;
      Optional<String> id = job.request().terms().session();
      job.session = id.isEmpty() ? null : sessions.begin(id.get());
      if (first.cancelled()) { // too early to be found among the waiting
        end(first, CANCELLED);
      } else {
        takeOrStrand(first);
      }
    }
  }

  private void takeOrStrand(Sequence first) {
    if (strandedBy(first) != null) {
      endStranded(first);
    } else {
      admission.add(first);
      nextExpiry = Math.min(nextExpiry, queueEnd(first));
    }
  }

  private void dropCancelled() {
    if (cancelRequests.get() == 0) {
      return;
    }
    cancelRequests.set(0);
    for (Replica replica : replicas) {
      for (int i = replica.running.count() - 1; i >= 0; i--) {
        Sequence sequence = replica.running.get(i);
        if (sequence.cancelled()) {
          leaveRunning(sequence);
          end(sequence, CANCELLED);
        }
      }
    }
    admission.removeIf(Sequence::cancelled, endCancelled);
  }

  private void endCancelled(Sequence waiting) {
    end(waiting, CANCELLED);
  }

  private void dropExpired() {
    if (roundNanos >= nextExpiry) {
      nextExpiry = Long.MAX_VALUE;
      admission.removeIf(isExpired, endExpired);
    }
  }

  private boolean isExpired(Sequence waiting) {
    long end = queueEnd(waiting);
    boolean over = roundNanos >= end;
    nextExpiry = over ? nextExpiry : Math.min(nextExpiry, end);
    return over;
  }

  private void endExpired(Sequence waited) {
    Counters.add(waited.ledger.queued, roundNanos - waited.accountedNanos);
    expire(waited, TimeLimit.QUEUE);
  }

  /** When a sequence has waited for as long as it may; one that was admitted once waits on. */
  private static long queueEnd(Sequence waiting) {
    long limit = waiting.job.limitNanos(TimeLimit.QUEUE);
    boolean bounded = limit != LoopOptions.NO_LIMIT && waiting.cachedTokens < 0;
    return bounded && waiting.choice == 0 ? waiting.accountedNanos + limit : Long.MAX_VALUE;
  }

  /** One of a sequence's clocks ran out: it ends with what it has, or fails if that is nothing. */
  private void expire(Sequence sequence, TimeLimit clock) {
    sequence.ledger.expire(clock);
    Counters.add(counters.timedOut(clock), 1);
    boolean nothing = sequence.length() == sequence.job.prompt().length;
    end(sequence, nothing ? Ending.failure(sequence.job.timeLimitException(clock)) : TIMED_OUT);
  }

  /** Ends and begins copies of blocks; whether there was any of that. */
  private boolean moveBlocks() {
    boolean progressed = false;
    for (Replica replica : replicas) {
      if (replica.lost() == null) {
        try {
          progressed |= transfers.advance(replica.number);
        } catch (RuntimeException | Error failure) {
          failCopy(replica, failure);
          progressed = true;
        }
      }
    }
    return progressed;
  }

  private void admit() {
    for (Sequence next = admission.next(roundNanos);
        next != null;
        next = admission.next(roundNanos)) {
      Replica replica = replicas[shards.device(next.shard)];
      next.lane = admission.lane(next, replica.running);
      replica.running.add(next);
      levels.addRunning(next.shard, 1);
      next.admittedWith = next.computed;
      next.waitingSince = replica.planner.prefillServed();
      replica.frames.clearRow(next.slot);
      Counters.add(next.ledger.queued, roundNanos - next.accountedNanos);
      next.accountedNanos = roundNanos;
      next.ledger.shard.setOpaque(next.shard);
      if (next.cachedTokens < 0) {
        next.cachedTokens = next.computed;
        Counters.add(counters.promptTokens, next.length());
        Counters.add(counters.cachedTokens, next.computed);
      }
      Accounting.admitted(next, knownTokens(next), counters);
      if (next.move != null) {
        transfers.start(next.move);
      }
    }
  }

  /** How many of a sequence's tokens its session has had in the cache before. */
  private int knownTokens(Sequence sequence) {
    Session session = sequence.job.session;
    return session == null ? 0 : sessions.known(session, sequence.tokens(), sequence.length());
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
        fail(replica, failure);
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
    return (replicas.length == 1 && !transfers.underWay()) || replica.hasDoneStep();
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
          fail(replica, failure);
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

  /** Awaits each device's oldest step. */
  private boolean completeAll() {
    boolean completed = false;
    for (Replica replica : replicas) {
      if (replica.frames.inFlight() > 0) {
        completed = true;
        try {
          complete(replica);
        } catch (RuntimeException | Error failure) {
          fail(replica, failure);
        }
      }
    }
    return completed;
  }

  /** Nothing can be done before some device is done with a step or a copy. */
  private void awaitAny() {
    Replica only = null;
    int inFlight = 0;
    for (Replica replica : replicas) {
      if (replica.frames.inFlight() > 0) {
        only = replica;
        inFlight++;
      }
    }
    if (inFlight == 1 && only != null && !transfers.underWay()) {
      try {
        complete(only);
      } catch (RuntimeException | Error failure) {
        fail(only, failure);
      }
      return;
    }
    long before = clock.nanos();
    for (int looks = 0; !anythingDone() && !submissions.closed(); looks++) {
      if (looks < SPINS) {
        Thread.onSpinWait();
      } else {
        LockSupport.parkNanos(this, LOOK_NANOS);
        counters.heartbeat.setOpaque(clock.nanos());
        if (cancelRequests.get() > 0) {
          break;
        }
      }
    }
    notHostNanos += clock.nanos() - before;
  }

  private boolean anythingDone() {
    for (Replica replica : replicas) {
      try {
        if (replica.hasDoneStep() || transfers.canAdvance(replica.number)) {
          return true;
        }
      } catch (RuntimeException | Error failure) {
        return true; // whoever completes the step learns of it
      }
    }
    return false;
  }

  /**
   * Whether the step in flight must be done before the next can be filled: a row with penalties
   * counts its last token (so while such a one runs, the host's work is not hidden behind the
   * device's), and before a sequence is preempted for want of blocks those that end give theirs.
   */
  private boolean mustCompleteFirst(Replica replica) {
    Arrays.fill(missing, 0);
    for (int i = 0; i < replica.running.count(); i++) {
      Sequence sequence = replica.running.get(i);
      if (sequence.counts != null && sequence.drawing()) {
        return true;
      }
      missing[sequence.shard] += missingBlocks(sequence);
    }
    for (int shard = 0; shard < missing.length; shard++) {
      if (missing[shard] > shards.pool(shard).available()) {
        return true;
      }
    }
    return false;
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

  /**
   * A decode row at a block boundary needs a block; where its shard has none left, the youngest
   * that hold some of that shard give theirs.
   */
  private void growBlockTables(Replica replica) {
    int i = 0;
    while (i < replica.running.count()) {
      Sequence sequence = replica.running.get(i);
      if (missingBlocks(sequence) == 0) {
        i++; // one that is preempted itself makes room at its index for the next
        continue;
      }
      int block = shards.pool(sequence.shard).allocate();
      if (block >= 0) {
        sequence.blocks.add(block);
      } else {
        preempt(replica, youngestHolder(replica, i));
      }
    }
  }

  /** The youngest that holds blocks of the shard that the index-th lives on; it itself at least. */
  private Sequence youngestHolder(Replica replica, int index) {
    int shard = replica.running.get(index).shard;
    int youngest = replica.running.count() - 1;
    while (youngest > index && !shards.holdsOf(replica.running.get(youngest), shard)) {
      youngest--;
    }
    return replica.running.get(youngest);
  }

  private void preempt(Replica replica, Sequence youngest) {
    assert replica.frames.inFlight() == 0 : "a sequence that comes back must know all its tokens";
    youngest.lostTokens = youngest.computed;
    leaveRunning(youngest);
    admission.addFirst(youngest);
    Counters.add(youngest.ledger.preemptions, 1);
    Counters.add(counters.preemptions, 1);
  }

  /** Awaits the step that a device has had in flight for longest, and tells what it drew. */
  private void complete(Replica replica) {
    StepFrame frame = replica.frames.oldest();
    long before = clock.nanos();
    frame.await();
    replica.frames.completed();
    long now = clock.nanos();
    notHostNanos += now - before;
    long took = replica.tookNanos(frame.launchedNanos(), now);
    replica.cost.learn(frame.plan().work(), (double) took);
    if (journal != null) {
      journal.step(replica.number, now, took, frame);
    }
    Counters.add(counters.steps, 1);
    Counters.add(counters.stepNanos, took);
    Counters.add(counters.prefillTokens, frame.prefillTokens());
    steps.add(replica.number, now, took, frame);
    Accounting.computed(replica, frame, now, counters);
    for (int slice = 0; slice < frame.slices(); slice++) {
      if (frame.sequence(slice).runs()) {
        shards.remember(frame.sequence(slice), frame.computed(slice));
      }
    }
    for (int row = 0; row < frame.samples(); row++) {
      if (frame.sampled(row).runs()) {
        publish(frame.sampled(row), frame.sampler(), row, now);
      }
    }
    frame.clear();
    dropOutOfTime(replica);
  }

  /** Ends those of a device that have had as much of the engine's time as they may. */
  private void dropOutOfTime(Replica replica) {
    for (int i = replica.running.count() - 1; i >= 0; i--) {
      Sequence sequence = replica.running.get(i);
      TimeLimit clock = sequence.expiredClock();
      if (clock != null) {
        leaveRunning(sequence);
        expire(sequence, clock);
      }
    }
  }

  private void publish(Sequence sequence, Sampler results, int row, long now) {
    Counters.add(counters.decodeTokens, 1);
    Ending ending = accept(sequence, results, row);
    joinSiblings(sequence.job, now);
    if (ending == null) {
      sequence.log.publish();
      sequence.job.wakeReader();
    } else {
      leaveRunning(sequence);
      end(sequence, ending);
    }
  }

  /** Adds a row's token to its sequence; how the sequence ends, if it does. */
  private @Nullable Ending accept(Sequence sequence, Sampler results, int row) {
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

  /** Takes a sequence's slot and blocks. */
  private void leaveRunning(Sequence sequence) {
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

  /** Tells a choice's reader that nothing follows; the choice holds nothing any more. */
  private void end(Sequence sequence, Ending ending) {
    assert sequence.slot == Sequence.NO_SLOT && sequence.blocks.size() == 0;
    Job job = sequence.job;
    countEnding(ending);
    // Before the end: whoever sees it sees the blocks returned and finds room in the queue.
    levels.show(admission.waiting());
    submissions.ended();
    if (job.session != null && sequence.choice == 0) {
      sessions.end(job.session, roundNanos);
    }
    record(sequence, ending);
    sequence.log.end(ending);
    boolean leads = sequence.choice == 0 && !job.siblingsJoined;
    if (leads) {
      job.siblingsJoined = true; // they will never join: their prompt was not computed
      for (int choice = 1; choice < job.sequences().length; choice++) {
        countEnding(ending);
        submissions.ended();
        record(job.sequences()[choice], ending);
        job.sequences()[choice].log.end(ending);
      }
    }
    job.wakeReader();
  }

  private void record(Sequence sequence, Ending ending) {
    if (journal != null) {
      journal.end(sequence, ending, clock.nanos());
    }
  }

  private void countEnding(Ending ending) {
    if (ending.failure() != null) {
      Counters.add(counters.failed, 1);
    } else if (ending.reason() == FinishReason.CANCELLED) {
      Counters.add(counters.cancelled, 1);
    }
  }

  /** A device's step or copy failed: what runs there ends, and all of it if the device is lost. */
  private void fail(Replica replica, Throwable failure) {
    LOG.log(Level.ERROR, "a step of " + replica.device.name() + " failed", failure);
    boolean lost = failure instanceof DeviceLostException || replica.device.lost();
    String message = "a step failed: " + failure;
    RequestFailedException cause =
        lost
            ? RequestFailedException.ofLostDevice(message, failure)
            : new RequestFailedException(message, failure);
    replica.frames.abandon();
    failRunning(replica, cause);
    if (lost) {
      lose(replica, cause);
    }
  }

  /** A copy to a device failed, or one from there to host memory. */
  private void failCopy(Replica replica, Throwable failure) {
    transfers.settle(replica.number);
    fail(whoFailed(replica, failure), failure);
  }

  /** The device itself, unless the one that it copied from is lost. */
  private Replica whoFailed(Replica replica, Throwable failure) {
    if (failure instanceof DeviceLostException && !replica.device.lost()) {
      for (Replica peer : replicas) {
        if (peer.lost() == null && peer.device.lost()) {
          return peer;
        }
      }
    }
    return replica;
  }

  private void failRunning(Replica replica, RuntimeException cause) {
    while (replica.running.count() > 0) {
      Sequence sequence = replica.running.get(replica.running.count() - 1);
      leaveRunning(sequence);
      end(sequence, Ending.failure(cause));
    }
  }

  /** The rest goes on without a device; what can run nowhere else ends. */
  private void lose(Replica replica, RequestFailedException cause) {
    replica.lose(cause);
    Deque<ContextMove> failed = new ArrayDeque<>();
    transfers.lose(replica.number, failed);
    for (ContextMove move : failed) {
      if (!move.abandoned()) { // its source is gone: it starts over with what is left
        move.sequence.move = null;
        leaveRunning(move.sequence);
        admission.addFirst(move.sequence);
      }
      shards.letGo(move);
    }
    shards.close(replica.number);
    admission.removeIf(isStranded, endStranded);
  }

  private boolean isStranded(Sequence waiting) {
    return strandedBy(waiting) != null;
  }

  /** Why a sequence that waits can run nowhere any more; null if it can. */
  private @Nullable RuntimeException strandedBy(Sequence waiting) {
    OptionalInt pin = waiting.job.request().terms().shard();
    return pin.isPresent() ? replicas[shards.device(pin.getAsInt())].lost() : allLost();
  }

  private void endStranded(Sequence waiting) {
    RuntimeException cause = Objects.requireNonNull(strandedBy(waiting));
    end(
        waiting,
        Ending.failure(new RequestFailedException(String.valueOf(cause.getMessage()), cause)));
  }

  /** Why no device is left; null if one is. */
  private @Nullable RuntimeException allLost() {
    RuntimeException cause = null;
    for (Replica replica : replicas) {
      cause = replica.lost();
      if (cause == null) {
        return null;
      }
    }
    return cause;
  }

  /** For tests, on the step thread: all sessions. */
  SessionStore sessionStore() {
    return sessions;
  }

  /** For tests: what is being copied. */
  Transfers transfers() {
    return transfers;
  }

  /** For tests: who owns the blocks. */
  Shards shards() {
    return shards;
  }

  /**
   * Ends the loop after the steps in flight; requests that are left fail with {@link
   * EngineClosedException}.
   *
   * @return whether the loop has ended; false if a step is stuck and still uses the device
   */
  public boolean close() {
    submissions.close();
    LockSupport.unpark(thread);
    try {
      return thread.join(Duration.ofMillis(CLOSE_MILLIS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
