package dev.weir.engine.plan;

import dev.weir.engine.request.Priority;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Who is admitted next: start-time fair queueing over tenants (Goyal, Vin and Cheng, 1996). A
 * request's start tag is the virtual time or, if later, its tenant's last finish tag; it finishes
 * its cost later. The smallest start tag goes first, the first to come among equals. So tenants
 * that always wait get the same share of tokens, one that comes now and then is served at once, and
 * a single tenant sees a plain queue. A priority moves a request by {@link #PRIORITY_TOKENS} a
 * level.
 *
 * <p>Virtual time is the start tag of the last request that was taken, and also moves on with each
 * token served, shared among all that wait, as in a fluid fair queue; otherwise a stream of new
 * tenants, which all start at the virtual time, could pass a returning one for ever. So a request
 * waits for at most what is before it when it comes, and (tag − virtual time) × capacity tokens of
 * later ones, priorities included.
 *
 * <p>Bounded: {@code capacity} requests and twice as many tenants; one that falls behind the
 * virtual time is forgotten. Only {@link #add} allocates. Costs of adding and taking grow with the
 * size (a short copy). Not thread-safe.
 *
 * @param <T> requests
 */
public final class FairQueue<T> {
  /**
   * Tokens that one level of priority is worth: the highest goes before an ordinary request that
   * came one long prompt (32K tokens) earlier, and not before one that came sooner than that.
   */
  public static final int PRIORITY_TOKENS = 4096;

  /** What was put back goes before all. */
  private static final double HEAD = Double.NEGATIVE_INFINITY;

  private static final class Tenant {
    /** Of its last request. */
    double finish;

    /** What it would be without those that wait. */
    double paid;

    int waiting;
  }

  private final Map<String, Tenant> tenants = new HashMap<>();
  private final @Nullable Object[] items;
  private final @Nullable Tenant[] owners;
  private final double[] starts;
  private final double[] keys;
  private final long[] costs;
  private int size;
  private long totalCost;
  private double virtualTime;

  /**
   * @param capacity the most requests that wait
   */
  public FairQueue(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a queue must hold a request at least, not " + capacity);
    }
    items = new Object[capacity];
    owners = new Tenant[capacity];
    starts = new double[capacity];
    keys = new double[capacity];
    costs = new long[capacity];
  }

  public int size() {
    return size;
  }

  public boolean isFull() {
    return size == items.length;
  }

  /** Tokens of all that wait. */
  public long cost() {
    return totalCost;
  }

  /** The index-th in the order of service. */
  @SuppressWarnings("unchecked") // only Ts are put in
  public T get(int index) {
    return (T) Objects.requireNonNull(items[Objects.checkIndex(index, size)]);
  }

  /**
   * Adds a request.
   *
   * @param cost its tokens, at least 1
   * @param priority as {@link Priority} has it
   * @throws IllegalStateException if the queue is full
   */
  public void add(T item, String tenant, int cost, int priority) {
    if (cost < 1) {
      throw new IllegalArgumentException("a request costs a token at least, not " + cost);
    }
    requireRoom();
    Tenant owner = tenants.computeIfAbsent(tenant, name -> new Tenant());
    double start = Math.max(virtualTime, owner.finish);
    owner.finish = start + cost;
    owner.waiting++;
    double key = key(start, priority);
    insert(place(key), item, owner, start, key, cost);
    forgetTenants();
  }

  /**
   * Puts a request before all others: one that was taken and had to stop. It has paid already.
   *
   * @throws IllegalStateException if the queue is full
   */
  public void addFirst(T item) {
    requireRoom();
    insert(0, item, null, HEAD, HEAD, 0);
  }

  /** Takes a request to serve it; virtual time moves on. */
  public T take(int index) {
    T item = get(index);
    Tenant owner = owners[index];
    if (owner != null) {
      owner.paid = Math.max(owner.paid, virtualTime) + costs[index];
    }
    virtualTime =
        Math.max(virtualTime + (double) costs[index] / size, Math.min(starts[index], keys[index]));
    delete(index);
    if (size == 0) {
      tenants.clear(); // nobody waits: nobody is ahead or behind
    }
    return item;
  }

  /**
   * Removes a request that is not served. A tenant that has none left owes what it was served, no
   * more.
   */
  public T remove(int index) {
    T item = get(index);
    delete(index);
    return item;
  }

  /** For tests: tokens of the requests that would be served before one that is added now. */
  long costAhead(String tenant, int priority) {
    Tenant owner = tenants.get(tenant);
    double start = owner == null ? virtualTime : Math.max(virtualTime, owner.finish);
    long ahead = 0;
    for (int i = place(key(start, priority)) - 1; i >= 0; i--) {
      ahead += costs[i];
    }
    return ahead;
  }

  /** For tests: how many tenants are remembered. */
  int tenants() {
    return tenants.size();
  }

  private static double key(double start, int priority) {
    assert Priority.isValid(priority);
    return start - (double) priority * PRIORITY_TOKENS;
  }

  private void requireRoom() {
    if (isFull()) {
      throw new IllegalStateException("the queue is full: " + size + " requests wait");
    }
  }

  /** Behind all whose key is not greater. */
  private int place(double key) {
    int low = 0;
    int high = size;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (keys[middle] <= key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private void insert(
      int index, T item, @Nullable Tenant owner, double start, double key, long cost) {
    shift(index, index + 1, size - index);
    items[index] = item;
    owners[index] = owner;
    starts[index] = start;
    keys[index] = key;
    costs[index] = cost;
    size++;
    totalCost += cost;
  }

  private void delete(int index) {
    totalCost -= costs[index];
    Tenant owner = owners[index];
    if (owner != null && --owner.waiting == 0) {
      owner.finish = owner.paid;
    }
    shift(index + 1, index, size - index - 1);
    size--;
    items[size] = null;
    owners[size] = null;
  }

  private void shift(int from, int to, int count) {
    System.arraycopy(items, from, items, to, count);
    System.arraycopy(owners, from, owners, to, count);
    System.arraycopy(starts, from, starts, to, count);
    System.arraycopy(keys, from, keys, to, count);
    System.arraycopy(costs, from, costs, to, count);
  }

  /** Keeps the number of tenants bounded; those that wait are at most {@code capacity}. */
  private void forgetTenants() {
    int most = 2 * items.length;
    if (tenants.size() > most) {
      tenants.values().removeIf(one -> one.waiting == 0 && one.finish <= virtualTime);
    }
    if (tenants.size() > most) {
      tenants.values().removeIf(one -> one.waiting == 0);
    }
  }
}
