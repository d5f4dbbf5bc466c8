package dev.weir.engine.run;

import dev.weir.engine.model.Transformer;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.StepDemand;
import dev.weir.engine.plan.StepPlanner;
import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.OverloadedException;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.SampleLayout;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The heart: one thread that owns every sequence, block, batch and the device, and goes round: take
 * what was submitted, drop what was cancelled, admit, plan, launch, await, publish. No locks; in
 * steady state nothing is allocated.
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
 * <p>Sequences run in order of admission. When a shard is exhausted the youngest that hold blocks
 * of it give them back, keep their tokens, and wait at the head of the queue; their full blocks
 * stay in the prefix index until they are needed, so that a restart is a prefix hit. The oldest is
 * never preempted, so there is always progress.
 */
public final class StepLoop {
  private static final Logger LOG = System.getLogger(StepLoop.class.getName());

  /** How long an idle loop sleeps at most, so that its heartbeat shows it alive. */
  private static final long IDLE_BEAT_NANOS = 200_000_000;

  /** How long {@link #close} waits for the steps in flight. */
  private static final long CLOSE_MILLIS = 60_000;

  /** All requests share the turns of prefill. */
  private static final int ONE_TENANT = 0;

  private static final Ending CANCELLED = new Ending(FinishReason.CANCELLED, null);
  private static final Ending STOPPED = new Ending(FinishReason.STOP, null);
  private static final Ending TOO_LONG = new Ending(FinishReason.LENGTH, null);

  private final Tokenizer tokenizer;
  private final int vocabulary;
  private final Shards shards;
  private final LoopOptions options;
  private final Clock clock;
  private final CostModel cost;
  private final StepPlanner planner;
  private final StepDemand demand;
  private final StepFrames frames;
  private final Counters counters = new Counters();
  private final Thread thread;

  private final Deque<Sequence> waiting = new ArrayDeque<>();
  private final RunningSequences running;
  private final int[] missing;

  /** Of the current round: what the device computed in, or was waited for. */
  private long notHostNanos;

  /** Whether this round's step was launched to a device that had nothing to do. */
  private boolean launchedIdle;

  private long lastCompletedNanos = Long.MIN_VALUE;

  private final Submissions submissions;
  private final AtomicInteger cancelRequests = new AtomicInteger();

  /**
   * @param tokenizer what readers turn ids into text with
   * @param endIds the model's own end-of-sequence tokens
   * @param arena the device's KV blocks
   * @param cost knows nothing yet, or what earlier steps cost
   */
  public StepLoop(
      Device device,
      Transformer transformer,
      Tokenizer tokenizer,
      int[] endIds,
      KvArena arena,
      LoopOptions options,
      CostModel cost,
      Clock clock) {
    if (endIds.length > Sampler.MAX_END_IDS) {
      throw new IllegalArgumentException(
          "more than " + Sampler.MAX_END_IDS + " end-of-sequence ids");
    }
    this.tokenizer = tokenizer;
    vocabulary = transformer.vocabulary();
    shards = new Shards(options.shards(), arena.blocks(), options.reusePrefixes());
    missing = new int[shards.count()];
    this.options = options;
    this.clock = clock;
    this.cost = cost;
    planner = new StepPlanner(options.plan(), cost, options.slots());
    int slots = options.slots();
    demand = new StepDemand(slots);
    frames = new StepFrames(device, transformer, arena, options);
    running = new RunningSequences(slots);
    long inBlocks = (long) shards.quota() * KvShape.BLOCK_TOKENS;
    submissions =
        new Submissions(
            (int) Math.min(options.maxLength(), inBlocks),
            slots + options.queue(),
            vocabulary,
            endIds,
            counters);
    counters.heartbeat.set(clock.nanos());
    thread = Thread.ofPlatform().name("weir-step").daemon(true).unstarted(this::run);
  }

  /**
   * Teaches the cost model with made-up steps, before the first request. Stops when {@code time} is
   * spent; also warms up code and memory.
   */
  public void calibrate(Duration time) {
    new Calibration(frames, cost, clock)
        .run(limit(), options.plan().stepTokens(), vocabulary, time);
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
   * @throws OverloadedException if the queue is full
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
    return counters.snapshot(shards.capacity(), clock.nanos());
  }

  private void run() {
    try {
      while (!submissions.closed()) {
        if (!step()) {
          LockSupport.parkNanos(this, IDLE_BEAT_NANOS);
        }
      }
      if (frames.inFlight() > 0) {
        complete();
      }
    } catch (RuntimeException | Error failure) {
      LOG.log(Level.ERROR, "the step loop failed; the engine is closed", failure);
      submissions.close();
    } finally {
      frames.abandon();
      failAll(new EngineClosedException());
      submissions.failAll();
    }
  }

  /** Goes round once; false if there was nothing to compute. */
  boolean step() {
    counters.heartbeat.setOpaque(clock.nanos());
    takeSubmitted();
    dropCancelled();
    admit();
    boolean busy = running.count() > 0 || frames.inFlight() > 0;
    if (busy) {
      long begun = clock.nanos();
      notHostNanos = 0;
      launchedIdle = false;
      try {
        if (frames.inFlight() > 0 && mustCompleteFirst()) {
          complete();
        }
        boolean launched = launch();
        if (frames.inFlight() > 0 && (!launched || frames.allInFlight())) {
          complete();
        }
      } catch (RuntimeException | Error failure) {
        frames.abandon();
        failAll(new RequestFailedException("a step failed: " + failure, failure));
        LOG.log(Level.ERROR, "a step failed; its requests are ended", failure);
      }
      long host = clock.nanos() - begun - notHostNanos;
      Counters.add(counters.hostNanos, host);
      Counters.add(counters.exposedNanos, launchedIdle ? host : 0);
    }
    showLevels();
    return busy;
  }

  private void takeSubmitted() {
    for (Job job = submissions.take(); job != null; job = submissions.take()) {
      Sequence first = job.sequences()[0];
      if (first.cancelled()) { // too early to be found among the waiting
        end(first, CANCELLED);
      } else {
        waiting.addLast(first);
      }
    }
  }

  private void dropCancelled() {
    if (cancelRequests.get() == 0) {
      return;
    }
    cancelRequests.set(0);
    for (int i = running.count() - 1; i >= 0; i--) {
      Sequence sequence = running.get(i);
      if (sequence.cancelled()) {
        leaveRunning(sequence);
        end(sequence, CANCELLED);
      }
    }
    for (int left = waiting.size(); left > 0; left--) {
      Sequence sequence = waiting.removeFirst();
      if (sequence.cancelled()) {
        end(sequence, CANCELLED);
      } else {
        waiting.addLast(sequence);
      }
    }
  }

  private void admit() {
    while (running.hasFreeSlot()) {
      Sequence next = waiting.peekFirst();
      if (next == null || !place(next)) {
        return;
      }
      waiting.removeFirst();
      running.add(next);
      next.admittedWith = next.computed;
      next.waitingSince = planner.prefillServed();
      frames.clearRow(next.slot);
      if (next.cachedTokens < 0) {
        next.cachedTokens = next.computed;
        Counters.add(counters.promptTokens, next.length());
        Counters.add(counters.cachedTokens, next.computed);
      }
    }
  }

  private boolean place(Sequence sequence) {
    boolean placed = shards.place(sequence);
    assert placed || running.count() > 0
        : "a request larger than a shard must be refused when submitted";
    return placed;
  }

  /**
   * Whether the step in flight must be done before the next can be filled: a row with penalties
   * counts its last token (so while such a one runs, the host's work is not hidden behind the
   * device's), and before a sequence is preempted for want of blocks those that end give theirs.
   */
  private boolean mustCompleteFirst() {
    Arrays.fill(missing, 0);
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
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

  /** Plans the next step and hands it to the device; false if there is nothing to compute. */
  private boolean launch() {
    growBlockTables();
    demand.clear();
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      demand.add(
          sequence.shard,
          sequence.computed,
          sequence.pending(),
          ONE_TENANT,
          sequence.computed > sequence.admittedWith,
          sequence.waitingSince);
    }
    StepFrame frame = frames.next();
    planner.plan(demand, frame.plan());
    if (!frame.fill(running)) {
      return false;
    }
    launchedIdle = frames.inFlight() == 0;
    long before = clock.nanos();
    frame.launch(before);
    frames.launched();
    if (frames.count() == 1) {
      notHostNanos += clock.nanos() - before; // the launch was the step itself
    }
    return true;
  }

  /**
   * A decode row at a block boundary needs a block; where its shard has none left, the youngest
   * that hold some of that shard give theirs.
   */
  private void growBlockTables() {
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      while (sequence.runs() && missingBlocks(sequence) > 0) {
        int block = shards.pool(sequence.shard).allocate();
        if (block >= 0) {
          sequence.blocks.add(block);
        } else {
          preempt(youngestHolder(i));
        }
      }
    }
  }

  /** The youngest that holds blocks of the shard that the index-th lives on; it itself at least. */
  private Sequence youngestHolder(int index) {
    int shard = running.get(index).shard;
    int youngest = running.count() - 1;
    while (youngest > index && !shards.holdsOf(running.get(youngest), shard)) {
      youngest--;
    }
    return running.get(youngest);
  }

  private void preempt(Sequence youngest) {
    assert frames.inFlight() == 0 : "a sequence that comes back must know all its tokens";
    leaveRunning(youngest);
    waiting.addFirst(youngest);
    Counters.add(counters.preemptions, 1);
  }

  /** Awaits the step that has been in flight for longest, and tells what it drew. */
  private void complete() {
    StepFrame frame = frames.oldest();
    long before = clock.nanos();
    frame.await();
    frames.completed();
    long now = clock.nanos();
    notHostNanos += now - before;
    // The device began when it was done with the step before, if the host was ahead of it.
    long took = now - Math.max(frame.launchedNanos(), lastCompletedNanos);
    lastCompletedNanos = now;
    cost.learn(frame.plan().work(), (double) took);
    Counters.add(counters.steps, 1);
    Counters.add(counters.stepNanos, took);
    Counters.add(counters.prefillTokens, frame.prefillTokens());
    for (int slice = 0; slice < frame.slices(); slice++) {
      if (frame.sequence(slice).runs()) {
        shards.remember(frame.sequence(slice), frame.computed(slice));
      }
    }
    for (int row = 0; row < frame.samples(); row++) {
      if (frame.sampled(row).runs()) {
        publish(frame.sampled(row), frame.sampler(), row);
      }
    }
    frame.clear();
  }

  private void publish(Sequence sequence, Sampler results, int row) {
    Counters.add(counters.decodeTokens, 1);
    Ending ending = accept(sequence, results, row);
    joinSiblings(sequence.job);
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
  private void joinSiblings(Job job) {
    if (!job.siblingsJoined) {
      job.siblingsJoined = true;
      for (int choice = job.sequences().length - 1; choice > 0; choice--) {
        waiting.addFirst(job.sequences()[choice]);
      }
    }
  }

  /** Takes a sequence's slot and blocks. */
  private void leaveRunning(Sequence sequence) {
    running.remove(sequence);
    shards.release(sequence);
  }

  /** Tells a choice's reader that nothing follows; the choice holds nothing any more. */
  private void end(Sequence sequence, Ending ending) {
    assert sequence.slot == Sequence.NO_SLOT && sequence.blocks.size() == 0;
    Job job = sequence.job;
    countEnding(ending);
    // Before the end: whoever sees it sees the blocks returned and finds room in the queue.
    showLevels();
    submissions.ended();
    sequence.log.end(ending);
    boolean leads = sequence.choice == 0 && !job.siblingsJoined;
    if (leads) {
      job.siblingsJoined = true; // they will never join: their prompt was not computed
      for (int choice = 1; choice < job.sequences().length; choice++) {
        countEnding(ending);
        submissions.ended();
        job.sequences()[choice].log.end(ending);
      }
    }
    job.wakeReader();
  }

  private void countEnding(Ending ending) {
    if (ending.failure() != null) {
      Counters.add(counters.failed, 1);
    } else if (ending.reason() == FinishReason.CANCELLED) {
      Counters.add(counters.cancelled, 1);
    }
  }

  private void failAll(RuntimeException cause) {
    while (running.count() > 0) {
      Sequence sequence = running.get(running.count() - 1);
      leaveRunning(sequence);
      end(sequence, Ending.failure(cause));
    }
    if (cause instanceof EngineClosedException) {
      for (Sequence next = waiting.pollFirst(); next != null; next = waiting.pollFirst()) {
        end(next, Ending.failure(cause));
      }
    }
  }

  private void showLevels() {
    counters.running.setOpaque(running.count());
    counters.waiting.setOpaque(waiting.size());
    counters.heldBlocks.setOpaque(shards.held());
    counters.cachedBlocks.setOpaque(shards.cached());
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
