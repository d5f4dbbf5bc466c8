package dev.weir.engine.plan;

/**
 * Whose prompt is prefilled next. Deficit round robin over tenants (Shreedhar and Varghese 1995):
 * each in turn may take {@link #QUANTUM} tokens, so none can crowd out the others. Inside a
 * tenant's turn the prompt with the fewest tokens left goes first (shortest remaining), and ages: a
 * token served to another while it waits counts like one of its own, so a long prompt waits for at
 * most about its own length.
 *
 * <p>At most {@code maxPrefills} prompts are in progress at a time; others start when one of these
 * is done. Nothing is allocated after construction.
 */
final class PrefillOrder {
  private static final int NONE = -1;

  /** A few chunks: turns are worth their switch, and rounds stay short. */
  static final int QUANTUM = 1024;

  private final int maxPrefills;
  private final long[] deficits;
  private final long[] seen;
  private final int[] waiting;
  private int waitingCount;
  private int started;
  private long round;
  private long served;
  private int turn;

  /**
   * @param tenants tenants are numbered from 0 to this, exclusive
   * @param capacity the most entries of a demand
   * @param maxPrefills the most prompts in progress, at least 1
   */
  PrefillOrder(int tenants, int capacity, int maxPrefills) {
    deficits = new long[tenants];
    seen = new long[tenants];
    waiting = new int[capacity];
    this.maxPrefills = maxPrefills;
  }

  /** Prompt tokens served so far: what {@link StepDemand#waitingSince} refers to. */
  long served() {
    return served;
  }

  /** Starts a step: collects the entries that wait for prefill. */
  void begin(StepDemand demand) {
    round++;
    waitingCount = 0;
    started = 0;
    for (int entry = 0; entry < demand.size(); entry++) {
      if (demand.pending(entry) > 1) {
        waiting[waitingCount++] = entry;
        started += demand.started(entry) ? 1 : 0;
        int tenant = demand.tenant(entry);
        if (seen[tenant] < round - 1) {
          deficits[tenant] = 0; // who had nothing waiting has saved nothing up, and owes nothing
        }
        seen[tenant] = round;
      }
    }
  }

  /** How many entries wait and were not served in this step. */
  int waiting() {
    return waitingCount;
  }

  /** The entry to serve next; -1 if none may be. */
  int next(StepDemand demand) {
    int tenant = tenantInTurn(demand);
    if (tenant == NONE) {
      return NONE;
    }
    turn = tenant;
    int best = NONE;
    long bestKey = Long.MAX_VALUE;
    for (int i = 0; i < waitingCount; i++) {
      int entry = waiting[i];
      if (demand.tenant(entry) == tenant && mayRun(demand, entry)) {
        long key = demand.pending(entry) - (served - demand.waitingSince(entry));
        if (key < bestKey) {
          bestKey = key;
          best = entry;
        }
      }
    }
    return best;
  }

  /** Records that an entry gets so many tokens in this step, and nothing more in it. */
  void serve(StepDemand demand, int entry, int tokens) {
    served += tokens;
    deficits[demand.tenant(entry)] -= tokens;
    started += demand.started(entry) ? 0 : 1;
    for (int i = 0; i < waitingCount; i++) {
      if (waiting[i] == entry) {
        waiting[i] = waiting[--waitingCount];
        return;
      }
    }
    throw new AssertionError("served an entry that was not waiting: " + entry);
  }

  private boolean mayRun(StepDemand demand, int entry) {
    return demand.started(entry) || started < maxPrefills;
  }

  /** The first tenant from the last turn on that has something to run and is not in debt. */
  private int tenantInTurn(StepDemand demand) {
    long leastDebt = Long.MAX_VALUE;
    int first = NONE;
    int firstPaid = NONE;
    for (int i = 0; i < waitingCount; i++) {
      if (!mayRun(demand, waiting[i])) {
        continue;
      }
      int tenant = demand.tenant(waiting[i]);
      first = sooner(tenant, first);
      leastDebt = Math.min(leastDebt, -deficits[tenant]);
      if (deficits[tenant] > 0) {
        firstPaid = sooner(tenant, firstPaid);
      }
    }
    if (firstPaid != NONE || first == NONE) {
      return firstPaid;
    }
    // All have used up their turns: as many new rounds as the least of their debts asks for.
    long rounds = leastDebt / QUANTUM + 1;
    for (int tenant = 0; tenant < deficits.length; tenant++) {
      if (seen[tenant] == round) {
        deficits[tenant] += rounds * QUANTUM;
      }
    }
    // The turn passes on: whoever was served last comes last among equals.
    turn = (turn + 1) % deficits.length;
    return tenantInTurn(demand);
  }

  private int sooner(int tenant, int other) {
    return other == NONE || distance(tenant) < distance(other) ? tenant : other;
  }

  private int distance(int tenant) {
    return tenant >= turn ? tenant - turn : tenant - turn + deficits.length;
  }
}
