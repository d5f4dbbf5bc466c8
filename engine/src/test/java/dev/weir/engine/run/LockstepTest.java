package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.Terms;
import dev.weir.engine.simulate.Draw;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Devices in lockstep wait for each other, and yet each is known by its own time. */
class LockstepTest {
  private static final int LENGTH = 256;
  private static final int STEP_TOKENS = 64;
  private static final int SLOTS = 4;
  private static final int BLOCKS = 64;
  private static final int STEPS = 100;
  private static final double SLOW_NANOS = 9e6;
  private static final double FAST_NANOS = 3e6;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void eachDeviceIsChargedItsOwnTimeWhicheverIsSlow(int slow) {
    VirtualClock clock = new VirtualClock();
    List<DeviceModel> models = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      StepCost cost = new StepCost(i == slow ? SLOW_NANOS : FAST_NANOS + i * 1e6, 0, 0, 0);
      models.add(model(clock, cost, i));
    }
    StepLoop loop =
        new StepLoop(
            models,
            null,
            new int[0],
            LoopOptions.of(3, SLOTS, SLOTS, LENGTH, true, PlanLimits.withStepTokens(STEP_TOKENS))
                .withLockstep(true),
            clock);
    for (int shard = 0; shard < 3; shard++) {
      Sampling sampling = Sampling.builder().maxTokens(LENGTH / 2).ignoreEos(true).build();
      int[] prompt = {shard, 1, 2};
      Request request =
          Request.of(Prompt.of(prompt), sampling).withTerms(Terms.DEFAULT.withShard(shard));
      loop.submit(request, prompt);
    }

    while (loop.stats().steps() < STEPS) {
      loop.step();
    }

    for (StepRecord step : loop.steps(-1)) {
      double own = step.device() == slow ? SLOW_NANOS : FAST_NANOS + step.device() * 1e6;
      assertThat((double) step.nanos()).as("%s", step).isBetween(own, own + 1);
    }
  }

  private static DeviceModel model(VirtualClock clock, StepCost cost, int number) {
    SimulatedDevice device =
        new SimulatedDevice(
            "simulated " + number,
            clock,
            cost,
            0,
            number,
            SimulatedBurst.BLOCK_NANOS,
            Draw.uniform(SimulatedWorld.VOCABULARY));
    var transformer =
        SimulatedModel.on(device, SimulatedWorld.VOCABULARY, LENGTH, STEP_TOKENS, SLOTS);
    return new DeviceModel(
        device, transformer, device.allocateKv(transformer.kvShape(), BLOCKS), new CostModel());
  }
}
