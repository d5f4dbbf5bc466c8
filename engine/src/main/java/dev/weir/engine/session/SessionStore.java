package dev.weir.engine.session;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.kv.BlockTable;
import dev.weir.engine.kv.PrefixIndex;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.UnknownSessionException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * All sessions, and the leases of their contexts. A lease spares the blocks of an idle session
 * before others' for a time; when memory runs out all the same, the sessions that are cheapest to
 * compute again, for how long nobody wanted them, give theirs first. A session with a request that
 * waits or runs keeps its lease.
 *
 * <p>Bounded: {@value #MAX_SESSIONS} sessions, the one that has been idle for longest is forgotten
 * first, and as many that were forgotten and are told apart from those that never were.
 */
public final class SessionStore {
  /** With 128K tokens each these take 200 MB; most are shorter. */
  public static final int MAX_SESSIONS = 4096;

  private static final int NO_BLOCK = -1;

  /**
   * In a context of so many tokens attention costs about as much as all else, so that each of its
   * blocks is twice as dear to compute again (GPU-scale models; the order is what matters).
   */
  private static final double DEAR_TOKENS = 32 * 1024;

  private final PrefixIndex index;
  private final long root;
  private final int deviceBlocks;
  private final IntFunction<BlockPool> owner;
  private final long leaseNanos;
  private final LinkedHashMap<String, Session> sessions = new LinkedHashMap<>();
  private final LinkedHashMap<String, String> forgotten = new LinkedHashMap<>();
  private long nextLeaseEnd = Long.MAX_VALUE;

  /**
   * @param root the parent of all first blocks in the index
   * @param deviceBlocks blocks below this lie on devices, the others in host memory
   * @param owner the pool of a block
   * @param leaseNanos for how long an idle session is spared
   */
  public SessionStore(
      PrefixIndex index,
      long root,
      int deviceBlocks,
      IntFunction<BlockPool> owner,
      long leaseNanos) {
    this.index = index;
    this.root = root;
    this.deviceBlocks = deviceBlocks;
    this.owner = owner;
    this.leaseNanos = leaseNanos;
  }

  /** A request of a session came; {@link #end} must follow. */
  public Session begin(String id) {
    Session session = sessions.remove(id);
    if (session == null) {
      forgotten.remove(id);
      if (sessions.size() == MAX_SESSIONS) {
        forgetOldest();
      }
      session = new Session(id);
    }
    sessions.put(id, session); // the newest
    session.active++;
    session.turns++;
    return session;
  }

  private void forgetOldest() {
    for (Session oldest : sessions.values()) {
      if (oldest.active == 0) {
        unlease(oldest, 0);
        sessions.remove(oldest.id);
        forgotten.put(
            oldest.id,
            "more than " + MAX_SESSIONS + " sessions were kept, it was idle for longest");
        if (forgotten.size() > MAX_SESSIONS) {
          forgotten.remove(forgotten.keySet().iterator().next());
        }
        return;
      }
    }
  }

  /** A request of a session has ended. */
  public void end(Session session, long now) {
    session.active--;
    session.idleSince = now;
    session.leaseEnd = now + leaseNanos;
    session.leaseRanOut = false;
    nextLeaseEnd = Math.min(nextLeaseEnd, session.leaseEnd);
  }

  /**
   * Remembers and leases a turn's context, while its blocks are still held.
   *
   * @param tokens prompt and output, {@code length} of them
   * @param indexed how many of {@code blocks} can be found again
   * @param blocks that hold them
   */
  public void remember(
      Session session, int shard, int[] tokens, int length, int indexed, BlockTable blocks) {
    if (session.removed) {
      return;
    }
    int count = indexed;
    session.grow(count);
    long content = root;
    long print = 0;
    int same = 0;
    for (int i = 0; i < count; i++) {
      int block = index.find(content, tokens, i * BLOCK_TOKENS);
      if (block < 0) {
        count = i;
        break;
      }
      content = index.content(block);
      int held = blocks.get(i);
      block = index.holds(held, content) ? held : block;
      print = print(print, tokens, i * BLOCK_TOKENS);
      boolean kept =
          i == same
              && i < session.blocks
              && session.contents[i] == content
              && session.leased[i] == block
              && index.holds(block, content);
      if (kept) {
        same++;
      } else {
        if (i < session.blocks) {
          unlease(session, i); // the rest is another continuation
        }
        owner.apply(block).lease(block);
        session.leased[i] = block;
      }
      session.contents[i] = content;
      session.hashes[i] = index.hash(block);
      session.prints[i] = print;
      session.blocks = Math.max(session.blocks, i + 1);
    }
    if (count < session.blocks) {
      unlease(session, count);
    }
    session.blocks = count;
    session.tokens = length;
    session.shard = shard;
  }

  /** Ends the leases of a session's blocks from {@code first} on, and forgets these blocks. */
  private void unlease(Session session, int first) {
    endLease(session, first);
    session.blocks = first;
  }

  private void endLease(Session session, int first) {
    for (int i = session.blocks - 1; i >= first; i--) {
      int block = session.leased[i];
      if (block != NO_BLOCK && index.holds(block, session.contents[i])) {
        owner.apply(block).unlease(block);
      }
      session.leased[i] = NO_BLOCK;
    }
  }

  /**
   * How many of a prompt's tokens the session has had in the cache before, wherever they are now; a
   * multiple of a block.
   */
  public int known(Session session, int[] tokens, int length) {
    long print = 0;
    int same = 0;
    while (same < session.blocks && (same + 1) * BLOCK_TOKENS <= length) {
      print = print(print, tokens, same * BLOCK_TOKENS);
      if (session.prints[same] != print) {
        break;
      }
      same++;
    }
    return same * BLOCK_TOKENS;
  }

  private static long print(long before, int[] tokens, int from) {
    long print = before;
    for (int i = from; i < from + BLOCK_TOKENS; i++) {
      print = (print ^ tokens[i]) * 0x9E3779B97F4A7C15L; // 2^64 / golden ratio
      print ^= print >>> 32;
    }
    return print;
  }

  /** Ends leases that have run out. */
  public void endLeases(long now) {
    if (now < nextLeaseEnd) {
      return;
    }
    nextLeaseEnd = Long.MAX_VALUE;
    for (Session session : sessions.values()) {
      if (session.active == 0 && !session.leaseRanOut) {
        if (now >= session.leaseEnd) {
          session.leaseRanOut = true;
          endLease(session, 0);
        } else {
          nextLeaseEnd = Math.min(nextLeaseEnd, session.leaseEnd);
        }
      }
    }
  }

  /**
   * Makes room in a pool for blocks that are about to be allocated, where only leased ones are left
   * for that: the leases of those idle sessions end that are cheapest.
   *
   * @return whether there is room; if not, only sessions with a request that waits or runs are left
   */
  public boolean makeRoom(BlockPool pool, int wanted, long now) {
    while (pool.available() - pool.leased() < wanted && pool.leased() > 0) {
      Session cheapest = cheapest(pool, now);
      if (cheapest == null) {
        return false;
      }
      endLease(cheapest, 0);
    }
    return true;
  }

  /**
   * Makes room in a pool at the cost of sessions with a request that waits: the one whose request
   * came last gives first, for it is served last. What is oldest in the pool is what the head of
   * the queue is about to use.
   *
   * @param without gives nothing: room is made for it
   */
  public void displace(BlockPool pool, int wanted, @Nullable Session without) {
    while (pool.available() - pool.leased() < wanted && pool.leased() > 0) {
      Session latest = latestActive(pool, without);
      if (latest == null) {
        return;
      }
      endLease(latest, 0);
    }
  }

  private @Nullable Session latestActive(BlockPool pool, @Nullable Session without) {
    for (Session session : sessions.sequencedValues().reversed()) {
      if (session.active > 0 && session != without && leasesOf(session, pool)) {
        return session;
      }
    }
    return null;
  }

  private @Nullable Session cheapest(BlockPool pool, long now) {
    Session cheapest = null;
    double least = Double.POSITIVE_INFINITY;
    for (Session session : sessions.values()) {
      if (session.active == 0 && !session.leaseRanOut && leasesOf(session, pool)) {
        double price = (1 + session.tokens / DEAR_TOKENS) / Math.max(1, now - session.idleSince);
        if (price < least) {
          least = price;
          cheapest = session;
        }
      }
    }
    return cheapest;
  }

  private static boolean leasesOf(Session session, BlockPool pool) {
    for (int i = session.blocks - 1; i >= 0; i--) {
      if (session.leased[i] != NO_BLOCK && pool.contains(session.leased[i])) {
        return true;
      }
    }
    return false;
  }

  /**
   * Some of the sessions, the one that came last at the end.
   *
   * @param first how many to skip
   * @param most how many at most
   */
  public List<SessionInfo> list(int first, int most, long now) {
    List<SessionInfo> list = new ArrayList<>();
    int skipped = 0;
    for (Session session : sessions.values()) {
      if (skipped++ >= first && list.size() < most) {
        list.add(describe(session, now));
      }
    }
    return list;
  }

  /**
   * What is known of a session.
   *
   * @throws UnknownSessionException if there never was one
   * @throws SessionEvictedException if all of its KV was given away
   */
  public SessionInfo info(String id, long now) {
    Session session = sessions.get(id);
    if (session == null) {
      throw missing(id);
    }
    requireKept(session);
    return describe(session, now);
  }

  /**
   * Ends a session: its KV is anybody's. A request of it that still runs goes on.
   *
   * @throws UnknownSessionException if there never was one
   * @throws SessionEvictedException if all of its KV was given away; the session is forgotten
   */
  public void remove(String id) {
    Session session = sessions.remove(id);
    if (session == null) {
      RuntimeException why = missing(id);
      forgotten.remove(id);
      throw why;
    }
    try {
      requireKept(session);
    } finally {
      session.removed = true;
      unlease(session, 0);
    }
  }

  private RuntimeException missing(String id) {
    String why = forgotten.get(id);
    return why == null ? new UnknownSessionException(id) : new SessionEvictedException(id, why);
  }

  private void requireKept(Session session) {
    if (session.active == 0 && session.blocks > 0 && resident(session, Integer.MAX_VALUE) == 0) {
      throw new SessionEvictedException(
          session.id,
          session.leaseRanOut
              ? "its lease had run out and its memory was needed"
              : "its memory was needed before its lease had run out");
    }
  }

  /** Tokens of a session's context that lie anywhere. */
  public int residentTokens(Session session) {
    return resident(session, Integer.MAX_VALUE) * BLOCK_TOKENS;
  }

  private SessionInfo describe(Session session, long now) {
    int all = resident(session, Integer.MAX_VALUE);
    int onDevices = resident(session, deviceBlocks);
    boolean idle = session.active == 0;
    return new SessionInfo(
        session.id,
        session.active,
        session.turns,
        session.tokens,
        onDevices * BLOCK_TOKENS,
        (all - onDevices) * BLOCK_TOKENS,
        session.shard,
        idle ? now - session.idleSince : 0,
        idle && leased(session) ? Math.max(0, session.leaseEnd - now) : 0);
  }

  /** Whether blocks of a session are spared; what is deeper in its context goes first. */
  private boolean leased(Session session) {
    return session.blocks > 0
        && session.leased[0] != NO_BLOCK
        && index.holds(session.leased[0], session.contents[0]);
  }

  /**
   * How many leading blocks of a session's context lie below a block number. What is deeper in a
   * context is given away first, so that a binary search finds the end.
   */
  private int resident(Session session, int below) {
    int low = 0;
    int high = session.blocks;
    while (low < high) {
      int middle = (low + high) >>> 1;
      int block = index.locate(session.hashes[middle], session.contents[middle]);
      if (block >= 0 && index.copyIn(block, 0, below) >= 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
