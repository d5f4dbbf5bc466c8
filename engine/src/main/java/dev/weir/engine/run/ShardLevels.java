package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.request.ShardStats;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** What each shard holds: shown by the step thread, read by anyone. */
final class ShardLevels {
  private static final int HELD = 0;
  private static final int LEASED = 1;
  private static final int CACHED = 2;
  private static final int OPEN = 3;
  private static final int WIDTH = 4;

  private final Replica[] replicas;
  private final Shards shards;
  private final AtomicIntegerArray levels;
  private final AtomicIntegerArray running;

  ShardLevels(Replica[] replicas, Shards shards) {
    this.replicas = replicas;
    this.shards = shards;
    levels = new AtomicIntegerArray(shards.count() * WIDTH);
    running = new AtomicIntegerArray(shards.count());
  }

  /** Step thread: so many sequences more run on a shard. */
  void addRunning(int shard, int more) {
    running.setOpaque(shard, running.getPlain(shard) + more);
  }

  /** Step thread: shows what the pools hold now. */
  void show() {
    for (int shard = 0; shard < shards.count(); shard++) {
      BlockPool pool = shards.pool(shard);
      levels.setOpaque(shard * WIDTH + HELD, pool.held());
      levels.setOpaque(shard * WIDTH + LEASED, pool.leased());
      levels.setOpaque(shard * WIDTH + CACHED, pool.cached());
      levels.setOpaque(shard * WIDTH + OPEN, shards.open(shard) ? 1 : 0);
    }
  }

  /** Anyone: what was shown last. */
  List<ShardStats> read() {
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
