package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.plan.Forecast;
import dev.weir.engine.plan.StepPlanner.Missed;
import dev.weir.engine.request.ShardStats;
import dev.weir.kernels.KvShape;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/** What is held and waits at this moment: shown by the step thread, read by anyone. */
final class Levels {
  /** A prompt whose time stands for that of others: most are of this order. */
  private static final int TYPICAL_PROMPT = 2048;

  private static final int HELD = 0;
  private static final int LEASED = 1;
  private static final int CACHED = 2;
  private static final int OPEN = 3;
  private static final int WIDTH = 4;

  private final Replica[] replicas;
  private final Shards shards;
  private final Counters counters;
  private final LoopOptions options;
  private final AtomicIntegerArray levels;
  private final AtomicIntegerArray running;

  // The step thread's: the device that is predicted to be ready for another prompt first.
  private @Nullable Replica soonest;
  private double soonestDecodeNanos;
  private int soonestRows;

  Levels(Replica[] replicas, Shards shards, Counters counters, LoopOptions options) {
    this.replicas = replicas;
    this.shards = shards;
    this.counters = counters;
    this.options = options;
    levels = new AtomicIntegerArray(shards.count() * WIDTH);
    running = new AtomicIntegerArray(shards.count());
  }

  /** Step thread: so many sequences more run on a shard. */
  void addRunning(int shard, int more) {
    running.setOpaque(shard, running.getPlain(shard) + more);
  }

  /** Step thread: tells the door how long a prompt would take from now on. */
  void forecast(Admission admission, Submissions submissions) {
    if (options.maxQueueNanos() == LoopOptions.NO_LIMIT) {
      return;
    }
    long waitingTokens = admission.waitingTokens();
    long most = Math.max(1, Math.min(waitingTokens, submissions.limit()));
    double ahead = Double.POSITIVE_INFINITY;
    double perToken = 0;
    soonest = null;
    for (Replica replica : replicas) {
      if (replica.lost() == null) {
        Forecast forecast = replica.forecast;
        replica.describeDemand();
        double decode = replica.planner.decodeNanos(replica.demand);
        int rows = replica.running.count();
        double waiting = forecast.extraNanos(decode, rows, 0, (int) most) * waitingTokens / most;
        double extra = replica.backlogNanos(decode) + waiting / replicas.length;
        long tokens = replica.backlogTokens() + waitingTokens / replicas.length;
        double ready = tokens == 0 ? 0 : forecast.promptsNanos(decode, rows, extra, tokens);
        if (ready < ahead) {
          ahead = ready;
          soonest = replica;
          soonestDecodeNanos = decode;
          soonestRows = rows;
          perToken = forecast.promptNanos(decode, rows, 0, TYPICAL_PROMPT) / TYPICAL_PROMPT;
        }
      }
    }
    // With no device left requests fail by themselves, and say why.
    submissions.forecast(Double.isFinite(ahead) ? ahead : 0, perToken);
  }

  /**
   * Step thread: what a prompt's own tokens would take. What lies anywhere is not computed; the
   * time of its copy is left out, since it is only copied where that is the quicker way.
   */
  Submissions.PromptTime promptTime(int[] prompt) {
    Replica replica = soonest;
    if (replica == null) {
      return new Submissions.PromptTime(0, 0, 0);
    }
    int cached = shards.look(prompt, prompt.length) * KvShape.BLOCK_TOKENS;
    int rest = prompt.length - cached;
    return new Submissions.PromptTime(
        cached,
        replica.forecast.promptNanos(soonestDecodeNanos, soonestRows, cached, rest),
        replica.forecast.promptNanos(0, 0, cached, rest));
  }

  /** Step thread: shows what is held and runs now. */
  void show(int waiting) {
    int running = 0;
    long missedByFloor = 0;
    long missedByWorstStep = 0;
    for (Replica replica : replicas) {
      running += replica.running.count();
      missedByFloor += replica.planner.missed(Missed.FLOOR);
      missedByWorstStep += replica.planner.missed(Missed.WORST_STEP);
    }
    counters.missedByFloor.setOpaque(missedByFloor);
    counters.missedByWorstStep.setOpaque(missedByWorstStep);
    counters.running.setOpaque(running);
    counters.waiting.setOpaque(waiting);
    counters.heldBlocks.setOpaque(shards.held());
    counters.cachedBlocks.setOpaque(shards.cached());
    counters.hostCachedBlocks.setOpaque(shards.host().pool().cached());
    showShards();
  }

  private void showShards() {
    for (int shard = 0; shard < shards.count(); shard++) {
      BlockPool pool = shards.pool(shard);
      levels.setOpaque(shard * WIDTH + HELD, pool.held());
      levels.setOpaque(shard * WIDTH + LEASED, pool.leased());
      levels.setOpaque(shard * WIDTH + CACHED, pool.cached());
      levels.setOpaque(shard * WIDTH + OPEN, shards.open(shard) ? 1 : 0);
    }
  }

  /** Anyone: what the shards held when it was shown last. */
  List<ShardStats> shards() {
    List<ShardStats> stats = new ArrayList<>(shards.count());
    for (int shard = 0; shard < shards.count(); shard++) {
      int device = shards.device(shard);
      stats.add(
          new ShardStats(
              shard,
              device,
              replicas[device].device.name(),
              levels.getOpaque(shard * WIDTH + OPEN) == 1,
              shards.pool(shard).capacity(),
              levels.getOpaque(shard * WIDTH + HELD),
              levels.getOpaque(shard * WIDTH + LEASED),
              levels.getOpaque(shard * WIDTH + CACHED),
              running.getOpaque(shard)));
    }
    return stats;
  }
}
