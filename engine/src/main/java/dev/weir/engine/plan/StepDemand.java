package dev.weir.engine.plan;

import dev.weir.engine.request.Priority;

/**
 * What every admitted sequence has left to compute, in the order in which they were admitted. A
 * sequence with one pending token is a decode row (or the last token of a prompt, which costs the
 * same); one with more is in prefill. Filled anew for each step by whoever owns the sequences.
 */
public final class StepDemand {
  private final int[] prefixes;
  private final int[] pendings;
  private final int[] tenants;
  private final int[] priorities;
  private final boolean[] startedOnes;
  private final long[] waitingSince;
  private int size;

  public StepDemand(int capacity) {
    prefixes = new int[capacity];
    pendings = new int[capacity];
    tenants = new int[capacity];
    priorities = new int[capacity];
    startedOnes = new boolean[capacity];
    waitingSince = new long[capacity];
  }

  public void clear() {
    size = 0;
  }

  /** Adds a sequence of {@link Priority#ORDINARY}. */
  public void add(int prefix, int pending, int tenant, boolean started, long since) {
    add(prefix, pending, tenant, Priority.ORDINARY, started, since);
  }

  /**
   * Adds a sequence.
   *
   * @param prefix tokens whose KV is computed
   * @param pending tokens that are to be computed; 0 where the sequence waits for its last token or
   *     for its context
   * @param tenant who shares turns with whom: a number below the planner's capacity
   * @param priority as {@link Priority} has it
   * @param started whether some of its prompt was prefilled already
   * @param since what {@link StepPlanner#prefillServed} said when it began to wait
   */
  public void add(int prefix, int pending, int tenant, int priority, boolean started, long since) {
    assert pending >= 0 && Priority.isValid(priority);
    tenants[size] = tenant;
    priorities[size] = priority;
    startedOnes[size] = started;
    waitingSince[size] = since;
    prefixes[size] = prefix;
    pendings[size] = pending;
    size++;
  }

  public int size() {
    return size;
  }

  public int prefix(int entry) {
    return prefixes[entry];
  }

  public int pending(int entry) {
    return pendings[entry];
  }

  public int tenant(int entry) {
    return tenants[entry];
  }

  public int priority(int entry) {
    return priorities[entry];
  }

  public boolean started(int entry) {
    return startedOnes[entry];
  }

  public long waitingSince(int entry) {
    return waitingSince[entry];
  }
}
