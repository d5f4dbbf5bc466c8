package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.kv.BlockPool;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.run.SimulatedTraffic.Visit;
import dev.weir.engine.simulate.Draw;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.KvShape;
import java.util.ArrayList;
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

  /** A world that has not ended by then never does. */
  private static final long MAX_STEPS = 2_000_000;

  /** Passes over all blocks are made so often that they cost about this many looks per step. */
  private static final int BLOCKS_PER_STEP = 64;

  final VirtualClock clock = new VirtualClock();
  final List<SimulatedDevice> devices = new ArrayList<>();
  final StepLoop loop;

  /** A block of some megabytes over a link of some tens of gigabytes per second. */
  private static final long BLOCK_NANOS = 200_000;

  private final SimulatedTraffic traffic;
  private final boolean decodeFirst;
  private final int floorSteps;
  private final int blocks;

  private final List<Visit> live = new ArrayList<>();
  private long steps;
  private int blocksToLookAt;

  SimulatedWorld(long seed, Tokenizer tokenizer, int requests) {
    SplittableRandom random = new SplittableRandom(seed);
    int shards = 1 + random.nextInt(8);
    int slots = 1 + random.nextInt(32);
    int longest = new int[] {300, 3_000, 30_000, 100_000}[random.nextInt(4)];
    int perShard = longest / KvShape.BLOCK_TOKENS + 1 + random.nextInt(100);
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
    SimulatedDevice device =
        new SimulatedDevice(
            "simulated 0",
            clock,
            StepCost.GPU,
            random.nextInt(3) * 0.2,
            random.nextLong(),
            BLOCK_NANOS,
            Draw.uniform(VOCABULARY));
    devices.add(device);
    var transformer = SimulatedModel.on(device, VOCABULARY, longest, limits.stepTokens(), slots);
    loop =
        new StepLoop(
            List.of(
                new DeviceModel(
                    device,
                    transformer,
                    device.allocateKv(transformer.kvShape(), blocks),
                    new CostModel())),
            tokenizer,
            new int[] {END},
            LoopOptions.of(shards, slots, 1 << 14, longest, random.nextInt(8) > 0, limits),
            clock);
    // From far too many at once to one after the other.
    double gap = Math.exp(random.nextDouble(-5, 0)) * 1e8 * (1 + longest / 5_000.0);
    traffic =
        new SimulatedTraffic(
            random.nextLong(),
            new SimulatedTraffic.Shape(requests, longest, VOCABULARY, shards, gap, 8));
  }

  long steps() {
    return steps;
  }

  /** Runs until nobody comes any more and everybody has ended. */
  void run() {
    boolean busy = false;
    while (busy || !live.isEmpty() || traffic.peek() != null) {
      if (++steps > MAX_STEPS) {
        throw new AssertionError("the world does not end");
      }
      Visit next = traffic.peek();
      if (!busy && live.isEmpty() && next != null) {
        clock.advanceTo(next.arrival);
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
    }
  }

  /** A sequence, as it was before the step. */
  private static final class Seen {
    final Sequence sequence;
    boolean decodable;
    boolean prefilling;
    int upcoming;
    int computed;

    Seen(Sequence sequence) {
      this.sequence = sequence;
    }
  }

  private final List<Seen> seen = new ArrayList<>();
  private long stepsBefore;
  private int launchesWithoutPrefill;

  private void noteBefore() {
    stepsBefore = devices.get(0).steps();
    for (int i = 0; i < seen.size(); i++) {
      Seen one = seen.get(i);
      Sequence sequence = one.sequence;
      one.decodable = sequence.runs() && sequence.pending() == 1;
      one.prefilling = sequence.runs() && sequence.pending() > 1;
      one.upcoming = sequence.upcoming();
      one.computed = sequence.computed;
    }
  }

  private void checkAfter() {
    boolean launched = devices.get(0).steps() > stepsBefore;
    boolean prefillWaited = false;
    boolean prefilled = false;
    for (int i = 0; i < seen.size(); i++) {
      Seen one = seen.get(i);
      Sequence sequence = one.sequence;
      if (launched && decodeFirst && one.decodable && sequence.runs()) {
        if (sequence.upcoming() == one.upcoming && sequence.pending() > 0) {
          throw new AssertionError("a decode row was skipped");
        }
      }
      if (sequence.runs() && !one.decodable) {
        prefillWaited |= one.prefilling;
        int from = one.prefilling ? one.computed : sequence.admittedWith;
        prefilled |= sequence.computed > from;
      }
    }
    if (launched) {
      launchesWithoutPrefill = prefillWaited && !prefilled ? launchesWithoutPrefill + 1 : 0;
      if (launchesWithoutPrefill > floorSteps) {
        throw new AssertionError(
            "no prompt got on in " + launchesWithoutPrefill + " steps, the floor is " + floorSteps);
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

  /** Every block is free, cached, or held by exactly those that live. */
  private void checkBlocks() {
    assertThat(loop.shards().consistent()).as("pools").isTrue();
    int[] owned = new int[blocks];
    for (Seen one : seen) {
      for (int i = 0; i < one.sequence.blocks.size(); i++) {
        owned[one.sequence.blocks.get(i)]++;
      }
    }
    int block = 0;
    for (int shard = 0; shard < loop.shards().count(); shard++) {
      BlockPool pool = loop.shards().pool(shard);
      for (int i = 0; i < pool.capacity(); i++, block++) {
        if (pool.references(block) != owned[block]) {
          throw new AssertionError(
              "block %d has %d references, and %d owners live"
                  .formatted(block, pool.references(block), owned[block]));
        }
      }
    }
  }

  private void atTheEnd() {
    checkBlocks();
    assertThat(loop.stats().heldBlocks()).as("held blocks at the end").isZero();
    assertThat(loop.stats().running()).isZero();
    assertThat(loop.stats().waiting()).isZero();
    assertThat(loop.stats().failed()).isZero();
  }
}
