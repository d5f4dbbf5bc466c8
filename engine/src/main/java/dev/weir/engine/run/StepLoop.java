package dev.weir.engine.run;

import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.TimeLimit;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.engine.session.SessionStore;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.KvShape;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The heart: one thread that owns every sequence, block, batch and all devices, and goes round:
 * take what was submitted, drop what was cancelled or has waited too long, move blocks, admit, and
 * drive the devices. No locks; in steady state nothing is allocated. This is its door, for any
 * thread, and its round; the parts are {@link Admission} and {@link Transfers} before a step,
 * {@link StepDriver} for it, {@link Lifecycle} and {@link DeviceFailures} for what comes of it.
 */
public final class StepLoop {
  private static final Logger LOG = System.getLogger(StepLoop.class.getName());

  /** How long an idle loop sleeps at most, so that its heartbeat shows it alive. */
  private static final long IDLE_BEAT_NANOS = 200_000_000;

  /** Sessions that are described between two steps: a fraction of a millisecond. */
  private static final int LISTED_AT_ONCE = 128;

  /** How long {@link #close} waits for the steps in flight. */
  private static final long CLOSE_MILLIS = 60_000;

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
  private final Submissions submissions;
  private final Lifecycle lifecycle;
  private final DeviceFailures failures;
  private final StepDriver driver;
  private final Thread thread;

  private final Predicate<Sequence> isExpired = this::isExpired;
  private final Consumer<Sequence> endCancelled = this::endCancelled;
  private final Consumer<Sequence> endExpired = this::endExpired;

  /** When the current round began. */
  private long roundNanos;

  /** No sequence that waits runs out of time before this. */
  private long nextExpiry = Long.MAX_VALUE;

  private @Nullable JournalRing journal;

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
            this::promptTime,
            counters);
    lifecycle =
        new Lifecycle(
            replicas, shards, transfers, sessions, admission, submissions, levels, counters, clock);
    failures = new DeviceFailures(replicas, shards, transfers, admission, lifecycle);
    driver =
        new StepDriver(
            replicas,
            shards,
            transfers,
            lifecycle,
            failures,
            options.lockstep(),
            counters,
            steps,
            clock,
            () -> submissions.closed() || cancelRequests.get() > 0);
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
    lifecycle.writeTo(journal.ring());
    driver.writeTo(journal.ring());
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
   * @throws InvalidRequestException if it can never be served, or is predicted to take too long
   *     whatever else there is to do
   * @throws OverloadedException if the queue is full, or predicted to take too long
   * @throws EngineClosedException if the loop is closed
   */
  public Generation submit(Request request, int[] prompt) {
    Generation generation =
        submissions.submit(
            request,
            prompt,
            job -> {
              job.submittedNanos = clock.nanos();
              return new StepLoopGeneration(job, this, tokenizer);
            });
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

  /**
   * Any thread: all sessions, those with the latest request last. They are told in parts: one that
   * gets a request meanwhile may be there twice, and another one not at all.
   */
  public List<SessionInfo> sessions() {
    List<SessionInfo> all = new ArrayList<>();
    int found;
    do {
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

  /**
   * Any thread: what the step thread says of a prompt; who drives the loop by hand is that thread.
   */
  private Submissions.PromptTime promptTime(int[] prompt) {
    return thread.getState() == Thread.State.NEW
        ? levels.promptTime(prompt)
        : ask(() -> levels.promptTime(prompt));
  }

  private <T> T ask(Callable<T> question) {
    return questions.ask(question, () -> LockSupport.unpark(thread));
  }

  private void run() {
    try {
      while (!submissions.closed()) {
        if (!step()) {
          LockSupport.parkNanos(this, IDLE_BEAT_NANOS);
        }
      }
      driver.finish();
      takeSubmitted(); // so that a journal knows of whoever is told that the engine is closed
    } catch (RuntimeException | Error failure) {
      LOG.log(Level.ERROR, "the step loop failed; the engine is closed", failure);
      submissions.close();
    } finally {
      for (Replica replica : replicas) {
        replica.frames.abandon();
        lifecycle.fail(replica, new EngineClosedException());
      }
      transfers.close();
      admission.removeIf(
          all -> true,
          sequence -> lifecycle.end(sequence, Ending.failure(new EngineClosedException())));
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
    questions.answer();
    boolean progressed = moveBlocks();
    lifecycle.admit(roundNanos);
    boolean busy = driver.busy();
    if (busy) {
      progressed = driver.advance(progressed);
    } else if (!progressed && transfers.underWay()) {
      driver.awaitAny();
    }
    levels.forecast(admission, submissions);
    levels.show(admission.waiting());
    return busy || progressed || transfers.underWay();
  }

  private void takeSubmitted() {
    for (Job job = submissions.take(); job != null; job = submissions.take()) {
      Sequence first = job.sequences()[0];
      if (journal != null) {
        journal.arrival(job);
      }
      first.accountedNanos = roundNanos;
      Optional<String> id = job.request().terms().session();
      job.session = id.isEmpty() ? null : sessions.begin(id.get());
      if (first.cancelled()) { // too early to be found among the waiting
        lifecycle.end(first, Lifecycle.CANCELLED);
      } else if (!failures.endIfStranded(first)) {
        admission.add(first);
        nextExpiry = Math.min(nextExpiry, queueEnd(first));
      }
    }
  }

  private void dropCancelled() {
    if (cancelRequests.get() == 0) {
      return;
    }
    cancelRequests.set(0);
    for (Replica replica : replicas) {
      lifecycle.dropCancelled(replica);
    }
    admission.removeIf(Sequence::cancelled, endCancelled);
  }

  private void endCancelled(Sequence waiting) {
    lifecycle.end(waiting, Lifecycle.CANCELLED);
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
    lifecycle.expire(waited, TimeLimit.QUEUE);
  }

  /** When a sequence has waited for as long as it may; one that was admitted once waits on. */
  private static long queueEnd(Sequence waiting) {
    long limit = waiting.job.limitNanos(TimeLimit.QUEUE);
    boolean bounded = limit != LoopOptions.NO_LIMIT && !waiting.admitted();
    return bounded && waiting.choice == 0 ? waiting.accountedNanos + limit : Long.MAX_VALUE;
  }

  /** Ends and begins copies of blocks; whether there was any of that. */
  private boolean moveBlocks() {
    boolean progressed = false;
    for (Replica replica : replicas) {
      if (replica.lost() == null) {
        try {
          progressed |= transfers.advance(replica.number);
        } catch (RuntimeException | Error failure) {
          failures.failCopy(replica, failure);
          progressed = true;
        }
      }
    }
    return progressed;
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
   * EngineClosedException}. A loop that was never started ends on the caller's thread.
   *
   * @return whether the loop has ended; false if a step is stuck and still uses the device
   */
  public boolean close() {
    submissions.close();
    if (thread.getState() == Thread.State.NEW) {
      run();
      return true;
    }
    LockSupport.unpark(thread);
    try {
      return thread.join(Duration.ofMillis(CLOSE_MILLIS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
