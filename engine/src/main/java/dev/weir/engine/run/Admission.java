package dev.weir.engine.run;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.plan.FairQueue;
import dev.weir.engine.plan.Placement;
import dev.weir.engine.request.Terms;
import dev.weir.engine.session.Session;
import dev.weir.engine.session.SessionStore;
import dev.weir.kernels.KvShape;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Who runs next, and where. A sequence goes where the resulting load is least, counted in time: its
 * context is shared where it lies, else copied from another device or from host memory, else
 * computed again, whichever is quickest. One whose context is being computed by another waits for
 * that one, so that many samples of one prompt compute it once; others pass it meanwhile.
 *
 * <p>When more wait than memory holds, what one is given others lose before their turn has come,
 * and every context would be computed again. So while there is room only where contexts of those
 * that wait lie, those go first who take the least of it, and the last to come lose theirs.
 */
final class Admission {
  private static final int B = KvShape.BLOCK_TOKENS;

  /** How far behind the head of the queue somebody is looked for who can start. */
  private static final int LOOKED_AT = 64;

  /** So many may pass one that waits for its pinned shard; then all wait with it. */
  private static final int MOST_PASSED = 256;

  /** So many may pass one that would displace them; then it does. */
  private static final int MOST_SPARED = LOOKED_AT;

  /** A context is waited for if it is at least this part of what would be computed else. */
  private static final double WORTH_WAITING = 0.5;

  /** Sequences that name neither a tenant nor a session. */
  private static final String NOBODY = "";

  private enum Outcome {
    PLACED,
    /** Another computes its context, or its pinned shard is full: others may go first. */
    WAITS,
    /** There is room only where contexts of others that wait lie. */
    DISPLACES,
    NO_ROOM
  }

  private final FairQueue<Sequence> queue;
  private final Replica[] replicas;
  private final Shards shards;
  private final Transfers transfers;
  private final SessionStore sessions;
  private final Placement placement;

  // Of the sequence that is placed, per device: how much of its context is used there.
  private final int[] used;
  private final int[] needed;
  private final int[] reserved;
  private final boolean[] lanes;
  private int passed;

  /**
   * @param capacity the most sequences that wait
   */
  Admission(
      int capacity,
      Replica[] replicas,
      Shards shards,
      Transfers transfers,
      SessionStore sessions,
      LoopOptions options) {
    queue = new FairQueue<>(capacity);
    this.replicas = replicas;
    this.shards = shards;
    this.transfers = transfers;
    this.sessions = sessions;
    placement = new Placement(shards.count(), replicas.length);
    used = new int[replicas.length];
    needed = new int[replicas.length];
    reserved = new int[shards.count()];
    lanes = new boolean[options.slots()];
  }

  int waiting() {
    return queue.size();
  }

  /** Tokens of all that wait. */
  long waitingTokens() {
    return queue.cost();
  }

  /** The index-th that waits, in the order of service. */
  Sequence get(int index) {
    return queue.get(index);
  }

  /** A sequence waits for the first time. */
  void add(Sequence sequence) {
    queue.add(
        sequence, tenant(sequence), sequence.length(), sequence.job.request().terms().priority());
  }

  /** A sequence that ran, or whose request has begun already, waits before all others. */
  void addFirst(Sequence sequence) {
    queue.addFirst(sequence);
  }

  /**
   * Takes out all that {@code gone} says yes to, and hands each on when it does not wait any more.
   */
  void removeIf(Predicate<Sequence> gone, Consumer<Sequence> then) {
    for (int i = queue.size() - 1; i >= 0; i--) {
      if (gone.test(queue.get(i))) {
        then.accept(queue.remove(i));
      }
    }
  }

  /**
   * Takes out the next sequence that has its blocks and a device to run on; null: none can start.
   */
  @Nullable Sequence next(long now) {
    int most = Math.min(queue.size(), LOOKED_AT);
    for (int i = 0; i < most; i++) {
      Sequence sequence = queue.get(i);
      switch (place(sequence, false, now)) {
        case PLACED -> {
          return take(i);
        }
        case DISPLACES -> {
          return displaceFor(passed < MOST_SPARED ? leastMissing(i, most) : i, i, now);
        }
        case WAITS -> {
          if (passed >= MOST_PASSED) {
            return null;
          }
        }
        case NO_ROOM -> {
          return null;
        }
      }
    }
    return null;
  }

  private Sequence take(int index) {
    passed = index == 0 ? 0 : passed + 1;
    return queue.take(index);
  }

  /** Takes out one of two that can start, at the cost of what others that wait hold. */
  private @Nullable Sequence displaceFor(int preferred, int otherwise, long now) {
    if (place(queue.get(preferred), true, now) == Outcome.PLACED) {
      return take(preferred);
    }
    return place(queue.get(otherwise), true, now) == Outcome.PLACED ? take(otherwise) : null;
  }

  /** Who takes the least memory, because its context is there. */
  private int leastMissing(int from, int to) {
    int least = from;
    int fewest = Integer.MAX_VALUE;
    for (int i = from; i < to; i++) {
      int missing = missingTokens(queue.get(i));
      if (missing < fewest) {
        fewest = missing;
        least = i;
      }
    }
    return least;
  }

  private int missingTokens(Sequence sequence) {
    Session session = sequence.job.session;
    int resident = session == null ? 0 : sessions.residentTokens(session);
    return Math.max(0, sequence.length() - resident);
  }

  /**
   * Gives a sequence its blocks, if it can start.
   *
   * @param displaces whether it may take those where contexts of others that wait lie
   */
  private Outcome place(Sequence sequence, boolean displaces, long now) {
    if (waitsForLeader(sequence)) {
      return Outcome.WAITS;
    }
    if (sequence.refusedAt == shards.givenBack()) { // there is no more room than there was then
      return refusal(sequence);
    }
    int found = shards.look(sequence);
    if (findsLeader(sequence, found)) {
      return Outcome.WAITS;
    }
    Terms terms = sequence.job.request().terms();
    Arrays.fill(reserved, 0);
    for (Replica replica : replicas) {
      describeDevice(sequence, found, replica);
    }
    int shard =
        terms.shard().isPresent()
            ? placement.choosePinned(terms.shard().getAsInt())
            : placement.choose(preferred(sequence));
    if (shard == Placement.NOWHERE) {
      sequence.refusedAt = shards.givenBack();
      return refusal(sequence);
    }
    int device = shards.device(shard);
    BlockPool pool = shards.pool(shard);
    if (!sessions.makeRoom(pool, needed[device], now)) {
      if (!displaces) {
        return Outcome.DISPLACES;
      }
      sessions.displace(pool, needed[device], sequence.job.session);
    }
    if (!shards.take(sequence, shard, used[device])) {
      return Outcome.NO_ROOM;
    }
    if (used[device] < found && !sequence.computesAgain) {
      transfers.refused(device);
    }
    sequence.leader = null;
    sequence.foundBlocks = found;
    return Outcome.PLACED;
  }

  /** What becomes of a sequence for which there is no room. */
  private static Outcome refusal(Sequence sequence) {
    return sequence.job.request().terms().shard().isPresent() ? Outcome.WAITS : Outcome.NO_ROOM;
  }

  /** What it would take to run a sequence on a device. */
  private void describeDevice(Sequence sequence, int found, Replica replica) {
    int device = replica.number;
    int missing = 0;
    int firstMissing = found;
    for (int at = 0; at < found; at++) {
      if (shards.onDevice(at, device) < 0) {
        firstMissing = Math.min(firstMissing, at);
        missing++;
      }
    }
    // Each with what is in front of it: copies wait for copies, and prompts for prompts.
    boolean copies =
        missing > 0
            && !sequence.computesAgain
            && transfers.leastNanos(device, missing)
                < replica.promptNanos(firstMissing * B, (found - firstMissing) * B);
    used[device] = copies || missing == 0 ? found : firstMissing;
    reserve(replica, used[device]);
    int shared = copies ? found - missing : used[device];
    int rest = sequence.length() - used[device] * B;
    double copy = copies ? transfers.nanos(device, missing) : 0;
    double context = copy + replica.cost.chunkCost(used[device] * B, rest);
    needed[device] = Sequence.blocksFor(sequence.length()) - shared;
    placement.device(device, replica.backlogNanos(), context, needed[device]);
    boolean open = replica.lost() == null && replica.running.hasFreeSlot();
    for (int shard = shards.firstOf(device); shard < shards.firstOf(device + 1); shard++) {
      BlockPool pool = shards.pool(shard);
      placement.shard(
          shard,
          device,
          pool.capacity(),
          pool.held(),
          pool.available() - reserved[shard],
          pool.available() - pool.cached(),
          open);
    }
  }

  /** Counts blocks of a device that are available, and yet cannot be allocated. */
  private void reserve(Replica replica, int used) {
    for (int at = 0; at < used; at++) {
      int block = shards.onDevice(at, replica.number);
      if (block >= 0 && shards.owner(block).references(block) == 0) {
        reserved[shards.shardOf(block)]++; // it will be held
      }
    }
    for (int i = 0; i < replica.running.count(); i++) {
      // Each grows by a block soon. Whoever came into the last ones would lose them at once.
      reserved[replica.running.get(i).shard]++;
    }
  }

  /** Where the context lies, else where the session ran last. */
  private int preferred(Sequence sequence) {
    int home = shards.home();
    Session session = sequence.job.session;
    return home == Shards.NONE && session != null ? session.shard() : home;
  }

  /** Whether another still computes the context that the sequence waits for. */
  private static boolean waitsForLeader(Sequence sequence) {
    Sequence leader = sequence.leader;
    if (leader != null && leader.runs() && leader.indexedBlocks < sequence.leaderBlocks) {
      return true;
    }
    sequence.leader = null;
    return false;
  }

  /** Looks for one that runs and computes more of the sequence's context than there is. */
  private boolean findsLeader(Sequence sequence, int found) {
    int wanted = (sequence.length() - 1) / B;
    int most = found + (int) Math.ceil((wanted - found) * WORTH_WAITING);
    if (most == found || !shards.reusesPrefixes()) {
      return false;
    }
    for (Replica replica : replicas) {
      for (int i = 0; i < replica.running.count(); i++) {
        Sequence other = replica.running.get(i);
        if (other.pending() <= 1) {
          continue; // it computes nobody's prompt: its tokens need not be compared
        }
        int common = Math.min(wanted, commonBlocks(sequence, other));
        if (common >= most && other.indexedBlocks < common) {
          sequence.leader = other;
          sequence.leaderBlocks = common;
          most = common + 1;
        }
      }
    }
    return sequence.leader != null;
  }

  private static int commonBlocks(Sequence one, Sequence other) {
    int length = Math.min(one.length(), other.length());
    int differs = Arrays.mismatch(one.tokens(), 0, length, other.tokens(), 0, length);
    return (differs < 0 ? length : differs) / B;
  }

  /** Whose turns a sequence shares. */
  private static String tenant(Sequence sequence) {
    Terms terms = sequence.job.request().terms();
    return terms.tenant().or(terms::session).orElse(NOBODY);
  }

  /** The lane of a sequence's tenant among those that run on its device already, or a free one. */
  int lane(Sequence sequence, RunningSequences running) {
    Arrays.fill(lanes, false);
    String tenant = tenant(sequence);
    for (int i = 0; i < running.count(); i++) {
      Sequence other = running.get(i);
      if (tenant(other).equals(tenant)) {
        return other.lane;
      }
      lanes[other.lane] = true;
    }
    int lane = 0;
    while (lanes[lane]) {
      lane++;
    }
    return lane;
  }
}
