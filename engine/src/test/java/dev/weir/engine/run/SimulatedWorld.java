package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.run.SimulatedTraffic.Visit;
import dev.weir.engine.simulate.Draw;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * An engine's step loop with everything drawn from a seed: devices, shards, pools, policy, traffic.
 * Runs it to the end and checks after every step what the design promises.
 */
final class SimulatedWorld {
  static final int VOCABULARY = 259;
  static final int END = 256;

  private static final int MAX_DEVICES = 4;
  private static final int MAX_SHARDS = 8;

  /** Rounds without anything to do while somebody waits: ends are seen one round late. */
  private static final int MAX_IDLE_ROUNDS = 16;

  /** A world that has not ended by then never does. */
  private static final long MAX_STEPS = 2_000_000;

  /** Passes over all blocks are made so often that they cost about this many looks per step. */
  private static final int BLOCKS_PER_STEP = 64;

  final VirtualClock clock = new VirtualClock();
  final List<SimulatedDevice> devices = new ArrayList<>();
  final StepLoop loop;

  /** Longer than any world lasts. */
  private static final long FOR_EVER = Long.MAX_VALUE / 4;

  /** A block of some megabytes over a link of some tens of gigabytes per second. */
  private static final long BLOCK_NANOS = 200_000;

  /** How great a part of the copies fails at most, where some do. */
  private static final double MOST_FAILED_COPIES = 0.1;

  private final SimulatedTraffic traffic;
  private final boolean decodeFirst;
  private final int floorSteps;
  private final int slots;
  private final int blocks;
  private final boolean losesADevice;

  /**
   * In any time t no more work comes than the largest burst and ρ·t, with ρ the part of the time
   * that it takes. As long as anybody waits some device works, for nobody who was served before,
   * and no prompt is computed twice: so after burst/(1 − ρ) all that came is done, and whoever
   * waited has been served (Cruz, A Calculus for Network Delay, 1991).
   */
  private final double longestWait;

  private double waited;
  private double leased;

  private final List<Visit> live = new ArrayList<>();
  private long steps;
  private int blocksToLookAt;

  /** What is drawn. */
  enum Kind {
    /** Whatever may happen. */
    ANYTHING,
    /** No more work than one device could do in half of the time, and room for all. */
    BEARABLE,
    /** Sessions that keep leases for ever, on pools that have little room beside the longest. */
    LEASED
  }

  SimulatedWorld(long seed, Tokenizer tokenizer, int requests, Kind kind) {
    SplittableRandom random = new SplittableRandom(seed);
    int deviceCount = random.nextBoolean() ? 1 : 1 + random.nextInt(MAX_DEVICES);
    int shards = deviceCount * (1 + random.nextInt(MAX_SHARDS / deviceCount));
    slots = 1 + random.nextInt(32);
    int[] lengths =
        kind == Kind.ANYTHING
            ? new int[] {300, 3_000, 30_000, 100_000}
            : new int[] {300, 1_000, 3_000, 10_000};
    int longest = lengths[random.nextInt(lengths.length)];
    int perSequence = longest / KvShape.BLOCK_TOKENS + 1;
    int perShard =
        switch (kind) {
          case ANYTHING -> perSequence + random.nextInt(100);
          case BEARABLE -> (perSequence + 1) * slots;
          case LEASED -> perSequence + random.nextInt(8);
        };
    blocks = shards * perShard;
    Policy policy =
        switch (random.nextInt(8)) {
          case 0 -> new Policy.PrefillFirst();
          case 1 -> new Policy.FixedChunk(1 + random.nextInt(1000));
          default -> new Policy.TimeBudget();
        };
    decodeFirst = !(policy instanceof Policy.PrefillFirst);
    floorSteps = 1 + random.nextInt(32);
    PlanLimits limits =
        PlanLimits.of(
                slots + random.nextInt(4096),
                Scheduling.DEFAULT
                    .withPolicy(policy)
                    .withLatencyTarget(new LatencyTarget.Factor(1.05 + random.nextDouble()))
                    .withMaxPrefills(1 + random.nextInt(8)))
            .withFloor(1 + random.nextInt(32), floorSteps);
    double noise = random.nextInt(3) * 0.2;
    List<DeviceModel> models = new ArrayList<>();
    for (int number = 0; number < deviceCount; number++) {
      SimulatedDevice device =
          new SimulatedDevice(
              "simulated " + number,
              clock,
              StepCost.GPU,
              noise,
              random.nextLong(),
              BLOCK_NANOS,
              Draw.uniform(VOCABULARY));
      devices.add(device);
      var transformer = SimulatedModel.on(device, VOCABULARY, longest, limits.stepTokens(), slots);
      KvArena arena = device.allocateKv(transformer.kvShape(), blocks / deviceCount);
      models.add(new DeviceModel(device, transformer, arena, new CostModel()));
    }
    loop =
        new StepLoop(
            models,
            tokenizer,
            new int[] {END},
            LoopOptions.of(shards, slots, 1 << 14, longest, random.nextInt(8) > 0, limits)
                .withLockstep(random.nextInt(3) == 0)
                .withHostBlocks(random.nextBoolean() ? 0 : 1 + random.nextInt(2 * perShard))
                .withTimes(TimeLimits.NONE, LoopOptions.NO_LIMIT, lease(kind, random)),
            clock);
    // From far too many at once to one after the other.
    double gap = Math.exp(random.nextDouble(-5, 0)) * 1e8 * (1 + longest / 5_000.0) / deviceCount;
    losesADevice = kind == Kind.ANYTHING && deviceCount > 1 && random.nextInt(6) == 0;
    if (losesADevice) {
      devices
          .get(random.nextInt(deviceCount))
          .loseAt((long) (random.nextDouble() * gap * requests));
    }
    launchesBefore = new long[deviceCount];
    launchesWithoutPrefill = new int[deviceCount];
    prefillWaited = new boolean[deviceCount];
    prefilled = new boolean[deviceCount];
    runningOn = new int[shards];
    idleRounds = new int[shards];
    traffic =
        new SimulatedTraffic(
            random.nextLong(),
            new SimulatedTraffic.Shape(
                requests,
                longest,
                VOCABULARY,
                shards,
                gap,
                8,
                kind == Kind.LEASED,
                kind == Kind.BEARABLE ? demand(policy, limits, noise) : null));
    if (kind == Kind.ANYTHING && random.nextInt(4) == 0) {
      double probability = random.nextDouble() * MOST_FAILED_COPIES; // most batches have many
      devices.forEach(device -> device.failCopies(probability));
    }
    longestWait =
        kind == Kind.BEARABLE
            ? traffic.largestBurstNanos() / (1 - SimulatedTraffic.BEARABLE)
            : Double.POSITIVE_INFINITY;
  }

  private static long lease(Kind kind, SplittableRandom random) {
    return kind == Kind.LEASED ? FOR_EVER : (long) (random.nextDouble() * 1e10);
  }

  private static SimulatedDemand demand(Policy policy, PlanLimits limits, double noise) {
    int chunk = policy instanceof Policy.FixedChunk(int tokens) ? tokens : limits.stepTokens();
    return new SimulatedDemand(noise, Math.min(chunk, limits.stepTokens()), BLOCK_NANOS);
  }

  /** How long a request waited at most for its first token, as a part of what it may. */
  double waited() {
    return waited;
  }

  /** The most of a pool that was idle, under a lease, while somebody waited. */
  double leased() {
    return leased;
  }

  long steps() {
    return steps;
  }

  /** Runs until nobody comes any more and everybody has ended. */
  void run() {
    boolean busy = true;
    int idle = 0;
    while (busy || !live.isEmpty() || traffic.peek() != null) {
      if (++steps > MAX_STEPS) {
        throw new AssertionError("the world does not end");
      }
      idle = busy ? 0 : idle + 1;
      Visit next = traffic.peek();
      if (!busy && next != null) {
        clock.advanceTo(next.arrival);
      } else if (idle > MAX_IDLE_ROUNDS) {
        throw new AssertionError(live.size() + " requests wait, and nothing happens any more");
      }
      arrivals();
      noteBefore();
      busy = loop.step();
      checkAfter();
    }
    atTheEnd();
  }

  private void arrivals() {
    for (Visit next = traffic.peek();
        next != null && next.arrival <= clock.nanos();
        next = traffic.peek()) {
      Visit visit = traffic.take();
      visit.arrive(loop);
      live.add(visit);
      for (Sequence sequence : visit.sequences()) {
        seen.add(new Seen(sequence));
      }
    }
    for (int i = 0; i < live.size(); i++) {
      Visit visit = live.get(i);
      if (!visit.cancelled && clock.nanos() - visit.arrival > visit.patienceNanos) {
        visit.cancel();
      }
      if (visit.waits()) {
        checkWait(visit);
      }
    }
  }

  private void checkWait(Visit visit) {
    double nanos = clock.nanos() - visit.arrival;
    waited = Math.max(waited, nanos / longestWait);
    if (nanos > longestWait) {
      throw new AssertionError(
          "request %d has waited %.1f ms for its first token, the bound is %.1f ms"
              .formatted(visit.number, nanos / 1e6, longestWait / 1e6));
    }
  }

  /** A sequence, as it was before the step. */
  private static final class Seen {
    final Sequence sequence;
    boolean decodable;
    boolean prefilling;
    int upcoming;
    int computed;
    long preemptions;

    Seen(Sequence sequence) {
      this.sequence = sequence;
    }
  }

  private final List<Seen> seen = new ArrayList<>();

  // Per device.
  private final long[] launchesBefore;
  private final int[] launchesWithoutPrefill;
  private final boolean[] prefillWaited;
  private final boolean[] prefilled;

  // Per shard.
  private final int[] runningOn;
  private final int[] idleRounds;

  private void noteBefore() {
    for (int device = 0; device < launchesBefore.length; device++) {
      launchesBefore[device] = devices.get(device).steps();
    }
    for (int i = 0; i < seen.size(); i++) {
      Seen one = seen.get(i);
      Sequence sequence = one.sequence;
      one.decodable = sequence.runs() && sequence.pending() == 1;
      one.prefilling = sequence.runs() && sequence.pending() > 1;
      one.upcoming = sequence.upcoming();
      one.computed = sequence.computed;
      one.preemptions = sequence.ledger.preemptions.getPlain();
    }
  }

  private void checkAfter() {
    Arrays.fill(prefillWaited, false);
    Arrays.fill(prefilled, false);
    Arrays.fill(runningOn, 0);
    boolean movableWaits = false;
    for (int i = 0; i < seen.size(); i++) {
      Seen one = seen.get(i);
      Sequence sequence = one.sequence;
      if (!sequence.runs()) {
        movableWaits |= waitsForAnyShard(sequence);
        continue;
      }
      runningOn[sequence.shard]++;
      int device = loop.shards().device(sequence.shard);
      boolean launched = devices.get(device).steps() > launchesBefore[device];
      boolean stayed = one.preemptions == sequence.ledger.preemptions.getPlain();
      if (launched && decodeFirst && one.decodable && stayed) {
        if (sequence.upcoming() == one.upcoming && sequence.pending() > 0) {
          throw new AssertionError("a decode row was skipped");
        }
      }
      if (!one.decodable) {
        prefillWaited[device] |= one.prefilling;
        int from = one.prefilling ? one.computed : sequence.admittedWith;
        prefilled[device] |= sequence.computed > from;
      }
    }
    for (int device = 0; device < launchesBefore.length; device++) {
      checkPrefill(device);
    }
    for (int shard = 0; shard < runningOn.length; shard++) {
      checkIdle(shard, movableWaits);
      if (movableWaits) {
        BlockPool pool = loop.shards().pool(shard);
        leased = Math.max(leased, (double) pool.leased() / pool.capacity());
      }
    }
    blocksToLookAt += BLOCKS_PER_STEP;
    if (blocksToLookAt >= blocks) {
      blocksToLookAt = 0;
      checkBlocks();
    }
    if (loop.stats().running() == 0 || steps % 8 == 0) {
      endings();
    }
  }

  /** Whether a sequence waits for nothing but room, wherever it may be. */
  private static boolean waitsForAnyShard(Sequence sequence) {
    Job job = sequence.job;
    return sequence.log.ending() == null
        && !sequence.cancelled()
        && (sequence.choice == 0 || job.siblingsJoined)
        && job.request().terms().shard().isEmpty()
        && sequence.leader == null;
  }

  private void checkPrefill(int device) {
    if (devices.get(device).steps() == launchesBefore[device]) {
      return;
    }
    boolean stuck = prefillWaited[device] && !prefilled[device];
    launchesWithoutPrefill[device] = stuck ? launchesWithoutPrefill[device] + 1 : 0;
    if (launchesWithoutPrefill[device] > floorSteps) {
      throw new AssertionError(
          "no prompt got on in %d steps of device %d, the floor is %d"
              .formatted(launchesWithoutPrefill[device], device, floorSteps));
    }
  }

  /** A shard that holds nothing has room for whatever waits. */
  private void checkIdle(int shard, boolean movableWaits) {
    boolean idle =
        movableWaits
            && runningOn[shard] == 0
            && loop.shards().open(shard)
            && loop.shards().pool(shard).held() == 0
            && hasFreeSlot(loop.shards().device(shard));
    idleRounds[shard] = idle ? idleRounds[shard] + 1 : 0;
    if (idleRounds[shard] > MAX_IDLE_ROUNDS) {
      throw new AssertionError("shard " + shard + " is idle, and somebody waits");
    }
  }

  private boolean hasFreeSlot(int device) {
    int running = 0;
    for (int shard = 0; shard < runningOn.length; shard++) {
      running += loop.shards().device(shard) == device ? runningOn[shard] : 0;
    }
    return running < slots;
  }

  private void endings() {
    for (Iterator<Visit> all = live.iterator(); all.hasNext(); ) {
      Visit visit = all.next();
      if (visit.ended()) {
        all.remove();
        for (Sequence sequence : visit.sequences()) {
          SimulatedOracle.check(sequence);
        }
        traffic.ended(visit, clock.nanos());
      }
    }
    seen.removeIf(one -> one.sequence.log.ending() != null);
  }

  /** Every block is free, cached, or held by those that live and by copies under way. */
  private void checkBlocks() {
    assertThat(loop.shards().consistent()).as("pools").isTrue();
    int[] owned = new int[blocks];
    for (Seen one : seen) {
      for (int i = 0; i < one.sequence.blocks.size(); i++) {
        owned[one.sequence.blocks.get(i)]++;
      }
    }
    boolean copying = loop.transfers().underWay();
    int block = 0;
    for (int shard = 0; shard < loop.shards().count(); shard++) {
      BlockPool pool = loop.shards().pool(shard);
      for (int i = 0; i < pool.capacity(); i++, block++) {
        int references = pool.references(block);
        if (references < owned[block] || (references > owned[block] && !copying)) {
          throw new AssertionError(
              "block %d has %d references, and %d owners live"
                  .formatted(block, references, owned[block]));
        }
      }
    }
  }

  private void atTheEnd() {
    checkBlocks();
    assertThat(loop.transfers().underWay()).as("copies under way at the end").isFalse();
    assertThat(loop.stats().heldBlocks()).as("held blocks at the end").isZero();
    assertThat(loop.stats().running()).isZero();
    assertThat(loop.stats().waiting()).isZero();
    if (!losesADevice) {
      assertThat(loop.stats().failed()).isZero();
    }
  }
}
