package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.kv.HostTier;
import dev.weir.engine.plan.CopyCost;
import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.KvShape;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * KV blocks on their way between devices and host memory, beside the steps. Each device copies one
 * batch at a time: what its waiting sequences lack comes first, as many of them together as a batch
 * has room for; where there is nothing of that, what has been idle for longest goes to host memory,
 * before its blocks are needed. A batch is bounded, so that whoever leaves is rid of its blocks
 * soon, and so that a device which copies by itself delays its step by little.
 */
final class Transfers {
  private static final Logger LOG = System.getLogger(Transfers.class.getName());

  /**
   * Beside the steps of a device that copies by itself meanwhile: a few milliseconds of its link.
   */
  private static final long ASYNCHRONOUS_BATCH_BYTES = 128L << 20;

  /** Between two steps of a device that has to wait for the copy: about a millisecond. */
  private static final long WAITED_BATCH_BYTES = 8L << 20;

  /** The most blocks of a batch, however small they are and however many wait for them. */
  private static final int MAX_BATCH_BLOCKS = 64;

  /**
   * A shard spills what is idle while fewer of its blocks than this part are free: enough for what
   * its sequences take until the next batch.
   */
  private static final int FREE_PART = 16;

  /** So often in a row a device's spills may fail: then it spills no more. */
  private static final int MOST_FAILED_SPILLS = 3;

  /** Before anything was measured: 10 GB/s, a slow link's. */
  private static final double FIRST_NANOS_PER_BYTE = 0.1;

  private final Replica[] replicas;
  private final Shards shards;
  private final Counters counters;
  private final Clock clock;
  private final HostTier host;
  private final Lane[] lanes;

  /** One device's copies. */
  private static final class Lane {
    final Replica replica;
    final Completion done;
    final BlockCopies copies;
    final int batchBlocks;
    final Deque<ContextMove> moves = new ArrayDeque<>();

    final CopyCost cost;

    /** Blocks of the batch under way: of the first moves, or such as are spilled. */
    int batch;

    boolean spills;

    /** Whose blocks are being handed to the device. */
    @Nullable ContextMove handing;

    final int[] spilled;
    final int[] spilledTo;
    int failedSpills;

    // When the batch was begun, was last seen not to be done, and first seen to be.
    long begunNanos;
    long notDoneNanos;
    long doneNanos;
    boolean seenDone;

    Lane(Replica replica, long blockBytes) {
      this.replica = replica;
      done = replica.device.completion();
      copies = replica.device.copies();
      long bytes = replica.device.asynchronous() ? ASYNCHRONOUS_BATCH_BYTES : WAITED_BATCH_BYTES;
      batchBlocks = Math.clamp(bytes / blockBytes, 1, MAX_BATCH_BLOCKS);
      spilled = new int[batchBlocks];
      spilledTo = new int[batchBlocks];
      cost = new CopyCost(batchBlocks, FIRST_NANOS_PER_BYTE * blockBytes);
    }

    boolean busy() {
      return batch > 0;
    }
  }

  Transfers(Replica[] replicas, Shards shards, KvShape shape, Counters counters, Clock clock) {
    this.replicas = replicas;
    this.shards = shards;
    host = shards.host();
    this.counters = counters;
    this.clock = clock;
    lanes = new Lane[replicas.length];
    for (int i = 0; i < lanes.length; i++) {
      lanes[i] = new Lane(replicas[i], shape.blockBytes());
    }
  }

  /** Predicted time until so many blocks are copied to a device, behind what waits for that. */
  double nanos(int device, int blocks) {
    Lane lane = lanes[device];
    return spillNanos(lane) + lane.cost.nanos(waiting(lane) + blocks);
  }

  /** The same at best, as far as is known. */
  double leastNanos(int device, int blocks) {
    Lane lane = lanes[device];
    return spillNanos(lane) + lane.cost.leastNanos(waiting(lane) + blocks);
  }

  /** What could have been copied to a device is computed there: that seemed quicker. */
  void refused(int device) {
    lanes[device].cost.refused();
  }

  private static long waiting(Lane lane) {
    long blocks = 0;
    for (ContextMove move : lane.moves) {
      blocks += move.count() - move.copied();
    }
    return blocks;
  }

  private static double spillNanos(Lane lane) {
    return lane.spills ? lane.cost.nanos(lane.batch) : 0;
  }

  /** Brings a sequence its context; it can go on once that has arrived. */
  void start(ContextMove move) {
    lanes[move.device].moves.addLast(move);
  }

  /** A sequence leaves without its context: what is not being copied is given back at once. */
  void abandon(ContextMove move) {
    move.abandon();
    if (move.moving() == 0) {
      remove(move);
      shards.letGo(move);
    }
  }

  /** Whether anything is being copied, or waits for that. */
  boolean underWay() {
    for (Lane lane : lanes) {
      if (lane.busy() || !lane.moves.isEmpty()) {
        return true;
      }
    }
    return false;
  }

  /** Whether a device's batch is done, or a move waits for its first: {@link #advance} goes on. */
  boolean canAdvance(int device) {
    Lane lane = lanes[device];
    return lane.busy() ? look(lane) : !lane.moves.isEmpty();
  }

  /**
   * Ends a device's batch if it is done, and begins the next.
   *
   * @return whether either was done
   */
  boolean advance(int device) {
    Lane lane = lanes[device];
    boolean progressed = false;
    if (lane.busy() && look(lane)) {
      finishBatch(lane);
      progressed = true;
    }
    if (!lane.busy()) {
      progressed |= beginMoves(lane) || beginSpill(lane);
    }
    return progressed;
  }

  /** Whether a device's batch is done; notes when, to within two looks. */
  private boolean look(Lane lane) {
    if (!lane.seenDone) {
      lane.seenDone = lane.done.done();
      long now = clock.nanos();
      if (lane.seenDone) {
        lane.doneNanos = now;
      } else {
        lane.notDoneNanos = now;
      }
    }
    return lane.seenDone;
  }

  private boolean beginMoves(Lane lane) {
    if (!lane.moves.isEmpty()) {
      dropAbandoned(lane);
    }
    if (lane.moves.isEmpty()) {
      return false;
    }
    begin(lane);
    for (ContextMove move : lane.moves) {
      int count = Math.min(lane.batchBlocks - lane.batch, move.count() - move.copied());
      if (count == 0) {
        break;
      }
      move.begin(count);
      lane.batch += count;
      lane.handing = move;
      for (int i = move.copied(); i < move.copied() + count; i++) {
        bring(lane, move.source(i), move.destination(i));
      }
    }
    lane.handing = null;
    submit(lane);
    return true;
  }

  /** Those that were abandoned while their batch was copied, which then failed. */
  private void dropAbandoned(Lane lane) {
    for (Iterator<ContextMove> moves = lane.moves.iterator(); moves.hasNext(); ) {
      ContextMove move = moves.next();
      if (move.abandoned()) {
        moves.remove();
        shards.letGo(move);
      }
    }
  }

  private void begin(Lane lane) {
    lane.begunNanos = clock.nanos();
    lane.notDoneNanos = lane.begunNanos;
    lane.seenDone = false;
  }

  /** On a device whose copies are done when their calls return, the batch is done by then. */
  private void submit(Lane lane) {
    lane.copies.submit(lane.done);
    look(lane);
  }

  private void bring(Lane lane, int source, int destination) {
    int to = shards.local(destination);
    if (shards.inHostMemory(source)) {
      lane.copies.fromHost(host.segment(source), lane.replica.arena, to);
    } else {
      Replica peer = replicas[shards.deviceOfBlock(source)];
      lane.copies.fromPeer(peer.device, peer.arena, shards.local(source), lane.replica.arena, to);
    }
  }

  private boolean beginSpill(Lane lane) {
    if (host.pool().capacity() == 0 || lane.failedSpills == MOST_FAILED_SPILLS) {
      return false;
    }
    for (int shard = 0; shard < shards.count(); shard++) {
      BlockPool pool = shards.pool(shard);
      if (shards.device(shard) != lane.replica.number || !shards.open(shard)) {
        continue;
      }
      int lacking = Math.ceilDiv(pool.capacity(), FREE_PART) - free(pool);
      while (lacking > 0 && lane.batch < lane.batchBlocks) {
        int block = pool.oldestCached();
        if (block < 0) {
          break;
        }
        lacking--; // now, or once it is copied
        if (host.copyOf(block) >= 0) {
          pool.drop(block);
          continue;
        }
        int place = host.allocate();
        if (place < 0) {
          break; // all of it is on its way to a device
        }
        pool.retain(block);
        lane.spilled[lane.batch] = block;
        lane.spilledTo[lane.batch++] = place;
      }
    }
    if (lane.batch == 0) {
      return false;
    }
    lane.spills = true;
    begin(lane);
    for (int i = 0; i < lane.batch; i++) {
      lane.copies.toHost(
          lane.replica.arena, shards.local(lane.spilled[i]), host.segment(lane.spilledTo[i]));
    }
    submit(lane);
    return true;
  }

  private static int free(BlockPool pool) {
    return pool.available() - pool.cached();
  }

  private void finishBatch(Lane lane) {
    if (lane.spills) {
      for (int i = 0; i < lane.batch; i++) {
        spilled(lane.spilled[i], lane.spilledTo[i]);
      }
      lane.failedSpills = 0;
      Counters.add(counters.spilledBlocks, lane.batch);
    } else {
      lane.cost.learn(
          lane.batch,
          (double) (lane.notDoneNanos - lane.begunNanos),
          (double) (lane.doneNanos - lane.begunNanos));
      finishMoves(lane);
    }
    lane.spills = false;
    lane.batch = 0;
  }

  /** The first moves' batch is copied; only the last of them may have blocks left. */
  private void finishMoves(Lane lane) {
    ContextMove move = lane.moves.peekFirst();
    while (move != null && move.moving() > 0) {
      move.finish();
      if (move.abandoned()) {
        lane.moves.removeFirst();
        shards.letGo(move);
      } else if (move.copied() == move.count()) {
        lane.moves.removeFirst();
        count(move);
        Accounting.placed(move.sequence, counters);
        shards.arrived(move);
      }
      move = lane.moves.peekFirst();
    }
  }

  /** A block's contents are in host memory now: unless somebody wants it again, it is free. */
  private void spilled(int block, int place) {
    BlockPool pool = shards.owner(block);
    if (host.copyOf(block) < 0) {
      host.keep(place, block);
    } else {
      host.abandon(place);
    }
    pool.release(block);
    if (pool.references(block) == 0) {
      pool.drop(block);
    }
  }

  private void count(ContextMove move) {
    int restored = shards.restored(move);
    long restoredTokens = (long) restored * KvShape.BLOCK_TOKENS;
    long copiedTokens = (long) (move.count() - restored) * KvShape.BLOCK_TOKENS;
    Ledger ledger = move.sequence.ledger;
    long now = clock.nanos();
    Counters.add(ledger.copy, now - move.sequence.accountedNanos);
    move.sequence.accountedNanos = now;
    Counters.add(ledger.restoredTokens, restoredTokens);
    Counters.add(ledger.copiedTokens, copiedTokens);
    Counters.add(counters.restoredTokens, restoredTokens);
    Counters.add(counters.copiedTokens, copiedTokens);
  }

  /**
   * A device is lost, with all copies to it and from it. Batches of other devices that read from it
   * are awaited first: what they hold must not change hands under them.
   *
   * @param failed takes the moves that will not arrive; their references are the caller's to drop
   */
  void lose(int device, Deque<ContextMove> failed) {
    for (Lane lane : lanes) {
      boolean its = lane.replica.number == device;
      if (lane.busy() && (its || readsFrom(lane, device))) {
        dropBatch(lane);
      }
      for (int left = lane.moves.size(); left > 0; left--) {
        ContextMove move = lane.moves.removeFirst();
        if (its || readsFrom(move, device)) {
          failed.addLast(move);
        } else {
          lane.moves.addLast(move);
        }
      }
    }
  }

  /** Whether a device's batch goes to host memory. */
  boolean spills(int device) {
    return lanes[device].spills;
  }

  /**
   * A call for a device's batch failed: finds those that wait for what it was to do.
   *
   * @param moves takes the one whose block was being handed over, or else all of the batch
   */
  void concerned(int device, Deque<ContextMove> moves) {
    Lane lane = lanes[device];
    if (lane.handing != null) {
      moves.addLast(lane.handing);
      return;
    }
    for (ContextMove move : lane.moves) {
      if (move.moving() > 0) {
        moves.addLast(move);
      }
    }
  }

  /** A move that is not being copied will not be: its references are the caller's to drop. */
  void remove(ContextMove move) {
    assert move.moving() == 0;
    lanes[move.device].moves.remove(move);
  }

  /**
   * A call for a device's batch failed: nothing of the batch is used, and no copy of it is under
   * way any more. Moves begin it again unless they are removed. What was to be spilled is idle as
   * before; after {@value #MOST_FAILED_SPILLS} failures in a row the device spills no more.
   *
   * @return false if the batch cannot be waited for: its copies may be under way for ever
   */
  boolean settle(int device) {
    Lane lane = lanes[device];
    if (!lane.busy()) {
      return true;
    }
    if (lane.spills && ++lane.failedSpills == MOST_FAILED_SPILLS) {
      LOG.log(
          Level.WARNING,
          "{0} copies no idle KV to host memory any more: that failed {1} times in a row",
          lane.replica.device.name(),
          MOST_FAILED_SPILLS);
    }
    return dropBatch(lane);
  }

  /**
   * Waits until nothing of a batch is under way any more; what was copied is not used.
   *
   * @return false if it cannot be waited for, and no lost device is to blame
   */
  private boolean dropBatch(Lane lane) {
    boolean settled = true;
    try {
      lane.copies.submit(lane.done); // behind what was handed in, if a call failed half-way
      lane.done.await();
    } catch (DeviceLostException failure) {
      LOG.log(Level.DEBUG, "a batch of copies ended with its device", failure);
    } catch (RuntimeException | Error failure) {
      LOG.log(Level.ERROR, "a batch of copies cannot be waited for", failure);
      settled = false;
    }
    if (lane.spills) {
      for (int i = 0; i < lane.batch; i++) {
        if (settled) { // else it may still be written, and stays taken
          host.abandon(lane.spilledTo[i]);
        }
        shards.owner(lane.spilled[i]).release(lane.spilled[i]);
      }
    }
    lane.moves.forEach(ContextMove::drop);
    lane.handing = null;
    lane.spills = false;
    lane.batch = 0;
    return settled;
  }

  private boolean readsFrom(Lane lane, int device) {
    for (ContextMove move : lane.moves) {
      if (move.moving() > 0 && readsFrom(move, device)) {
        return true;
      }
    }
    return false;
  }

  private boolean readsFrom(ContextMove move, int device) {
    for (int i = 0; i < move.count(); i++) {
      if (!shards.inHostMemory(move.source(i)) && shards.deviceOfBlock(move.source(i)) == device) {
        return true;
      }
    }
    return false;
  }

  /** The loop ends: waits for what is under way, and drops the rest. */
  void close() {
    for (Lane lane : lanes) {
      if (lane.busy()) {
        dropBatch(lane);
      }
      for (ContextMove move : lane.moves) {
        shards.letGo(move);
      }
      lane.moves.clear();
    }
  }
}
