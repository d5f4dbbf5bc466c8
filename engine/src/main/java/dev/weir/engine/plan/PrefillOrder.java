package dev.weir.engine.plan;

/**
 * Whose prompt is prefilled next. Deficit round robin over tenants (Shreedhar and Varghese 1995):
 * each in turn may take {@link #QUANTUM} tokens, so none can crowd out the others. Inside a
 * tenant's turn the prompt with the fewest tokens left goes first (shortest remaining), and ages: a
 * token served to another while it waits counts like one of its own, so a long prompt waits for at
 * most about its own length.
 *
 * <p>A priority moves a prompt by {@link #PRIORITY_TOKENS} a level inside its tenant, and gives its
 * tenant longer or shorter turns; every turn is some tokens, so nobody starves.
 *
 * <p>At most {@code maxPrefills} prompts are in progress at a time; others start when one of these
 * is done, first those of the tenant that has the fewest in progress, then of the one that started
 * none for longest. Prompts with no more than a quantum left do not count: they are done at once,
 * and need not wait for long ones. Nothing is allocated after construction.
 */
final class PrefillOrder {
  private static final int NONE = -1;

  /** A few chunks: turns are worth their switch, and rounds stay short. */
  static final int QUANTUM = 1024;

  /**
   * How much longer a tenant's turn is for each level of its most urgent prompt. The lowest level
   * leaves an eighth of a turn.
   */
  static final int QUANTUM_PER_LEVEL = 112;

  /** So many turns a tenant may save up. */
  private static final long MOST_SAVED = 2;

  /** How many tokens a level of priority is worth among the prompts of a tenant. */
  static final int PRIORITY_TOKENS = 1024;

  /** An entry's number in the low bits of what is sorted. */
  private static final int ENTRY_BITS = 16;

  private final int maxPrefills;
  private final int stepTokens;
  private final long[] deficits;
  private final long[] seen;
  private final long[] servedIn;
  private final int[] quanta;

  /** Of a tenant's waiting entries: the first, and how many may run whatever is in progress. */
  private final int[] heads;

  private final int[] unhindered;

  /** Of a tenant's long prompts: how many are in progress, how many not begun, when one began. */
  private final int[] longStarted;

  private final int[] longWaiting;
  private final long[] lastStart;
  private final int[] nexts;

  /** Keys and numbers of all that waited when this step began. */
  private final long[] sorted;

  /** The tenants that had something waiting when this step began, and which of them is in turn. */
  private final int[] tenants;

  private int tenantCount;
  private int at;
  private int waitingCount;
  private int inProgress;

  /** The tenant that may begin a long prompt now. */
  private int starter;

  private long starts;
  private long round;
  private long served;
  private int turn;

  /**
   * @param capacity the most entries of a demand; tenants are numbered below this
   * @param maxPrefills the most prompts in progress, at least 1
   * @param stepTokens the most tokens of a step
   */
  PrefillOrder(int capacity, int maxPrefills, int stepTokens) {
    deficits = new long[capacity];
    seen = new long[capacity];
    servedIn = new long[capacity];
    quanta = new int[capacity];
    heads = new int[capacity];
    unhindered = new int[capacity];
    longStarted = new int[capacity];
    longWaiting = new int[capacity];
    lastStart = new long[capacity];
    tenants = new int[capacity];
    nexts = new int[capacity];
    sorted = new long[capacity];
    if (capacity > 1 << ENTRY_BITS) {
      throw new IllegalArgumentException("more sequences than can be ordered: " + capacity);
    }
    this.maxPrefills = maxPrefills;
    this.stepTokens = stepTokens;
  }

  /** Prompt tokens served so far: what {@link StepDemand#waitingSince} refers to. */
  long served() {
    return served;
  }

  /** Starts a step: collects the entries that wait for prefill. */
  void begin(StepDemand demand) {
    round++;
    waitingCount = 0;
    inProgress = 0;
    for (int entry = 0; entry < demand.size(); entry++) {
      if (demand.pending(entry) > 1) {
        sorted[waitingCount++] = (key(demand, entry) << ENTRY_BITS) + entry;
        collect(demand, entry);
      }
    }
    sort();
    // The last first, so that each tenant's list begins with its first.
    for (int i = waitingCount - 1; i >= 0; i--) {
      int entry = (int) (sorted[i] & ((1 << ENTRY_BITS) - 1));
      int tenant = demand.tenant(entry);
      nexts[entry] = heads[tenant];
      heads[tenant] = entry;
    }
    tenantCount = 0;
    at = 0;
    for (int tenant = 0; tenant < deficits.length && waitingCount > 0; tenant++) {
      if (seen[tenant] == round) {
        at += tenant < turn ? 1 : 0;
        tenants[tenantCount++] = tenant;
      }
    }
    at = at == tenantCount ? 0 : at;
    starter = starter();
  }

  /** What is sorted by: the tokens left, those that others got meanwhile, and the priority. */
  private long key(StepDemand demand, int entry) {
    return demand.pending(entry)
        - (served - demand.waitingSince(entry))
        - (long) demand.priority(entry) * PRIORITY_TOKENS;
  }

  /** Shell's sort: a few hundred at most, and the library's allocates until it is compiled. */
  private void sort() {
    for (int gap = waitingCount / 2; gap > 0; gap /= 2) {
      for (int i = gap; i < waitingCount; i++) {
        long value = sorted[i];
        int to = i;
        for (; to >= gap && sorted[to - gap] > value; to -= gap) {
          sorted[to] = sorted[to - gap];
        }
        sorted[to] = value;
      }
    }
  }

  private void collect(StepDemand demand, int entry) {
    int tenant = demand.tenant(entry);
    if (seen[tenant] != round) {
      begin(tenant);
    }
    quanta[tenant] = Math.max(quanta[tenant], quantum(demand.priority(entry)));
    if (!unhindered(demand, entry)) {
      longWaiting[tenant]++;
    } else {
      unhindered[tenant]++;
      if (isLong(demand, entry)) {
        longStarted[tenant]++;
        inProgress++;
      }
    }
  }

  private void begin(int tenant) {
    if (seen[tenant] < round - 1) {
      deficits[tenant] = 0; // who had nothing waiting has saved nothing up, and owes nothing
    }
    seen[tenant] = round;
    heads[tenant] = NONE;
    quanta[tenant] = 0;
    unhindered[tenant] = 0;
    longStarted[tenant] = 0;
    longWaiting[tenant] = 0;
  }

  /** How many entries wait and were not served in this step. */
  int waiting() {
    return waitingCount;
  }

  /** The entry to serve next; -1 if none may be. */
  int next(StepDemand demand) {
    int tenant = tenantInTurn();
    if (tenant == NONE) {
      return NONE;
    }
    int entry = heads[tenant];
    while (tenant != starter && !unhindered(demand, entry)) {
      entry = nexts[entry];
    }
    return entry;
  }

  /** Records that an entry gets so many tokens in this step, and nothing more in it. */
  void serve(StepDemand demand, int entry, int tokens) {
    int tenant = demand.tenant(entry);
    served += tokens;
    deficits[tenant] -= tokens;
    servedIn[tenant] = round;
    waitingCount--;
    if (unhindered(demand, entry)) {
      unhindered[tenant]--;
    } else {
      longWaiting[tenant]--;
      longStarted[tenant]++;
      inProgress++;
      lastStart[tenant] = ++starts;
      starter = starter();
    }
    if (heads[tenant] == entry) {
      heads[tenant] = nexts[entry];
      return;
    }
    int before = heads[tenant];
    while (nexts[before] != entry) {
      before = nexts[before];
      assert before != NONE : "served an entry that was not waiting: " + entry;
    }
    nexts[before] = nexts[entry];
  }

  private static int quantum(int priority) {
    return QUANTUM + QUANTUM_PER_LEVEL * priority;
  }

  private static boolean isLong(StepDemand demand, int entry) {
    return demand.pending(entry) > QUANTUM;
  }

  /** Whether an entry may run however many are in progress; else it is long and not begun. */
  private static boolean unhindered(StepDemand demand, int entry) {
    return demand.started(entry) || !isLong(demand, entry);
  }

  private boolean mayRun(int tenant) {
    return unhindered[tenant] > 0 || tenant == starter;
  }

  private int starter() {
    int best = NONE;
    for (int i = 0; i < tenantCount && inProgress < maxPrefills; i++) {
      int tenant = tenants[i];
      if (longWaiting[tenant] > 0 && (best == NONE || startsBefore(tenant, best))) {
        best = tenant;
      }
    }
    return best;
  }

  private boolean startsBefore(int tenant, int other) {
    return longStarted[tenant] != longStarted[other]
        ? longStarted[tenant] < longStarted[other]
        : lastStart[tenant] < lastStart[other];
  }

  /** The first tenant from the last turn on that has something to run and is not in debt. */
  private int tenantInTurn() {
    int inTurn = firstPaid();
    if (inTurn != NONE) {
      return inTurn;
    }
    long rounds = Long.MAX_VALUE;
    for (int i = 0; i < tenantCount; i++) {
      int tenant = tenants[i];
      if (mayRun(tenant)) {
        rounds = Math.min(rounds, -deficits[tenant] / quanta[tenant] + 1);
      }
    }
    if (rounds == Long.MAX_VALUE) {
      return NONE;
    }
    // All have used up their turns: as many new rounds as the least of their debts asks for. Who
    // could not have taken a turn gets none to save up, and nobody saves up more than two, beside
    // what a step may owe it: a tenant whose chunks hardly ever fit would take them all at once.
    for (int i = 0; i < tenantCount; i++) {
      int tenant = tenants[i];
      if (mayRun(tenant) || servedIn[tenant] == round) {
        long saved = Math.min(deficits[tenant], MOST_SAVED * quanta[tenant] + stepTokens);
        deficits[tenant] = saved + rounds * quanta[tenant];
      }
    }
    at = (at + 1) % tenantCount; // the turn passes on: who was served last comes last among equals
    return firstPaid();
  }

  private int firstPaid() {
    for (int i = 0; i < tenantCount; i++) {
      int tenant = tenants[at];
      if (deficits[tenant] > 0 && mayRun(tenant)) {
        turn = tenant;
        return tenant;
      }
      at = at + 1 == tenantCount ? 0 : at + 1;
    }
    return NONE;
  }
}
