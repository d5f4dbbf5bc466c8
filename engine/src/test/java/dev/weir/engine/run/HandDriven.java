package dev.weir.engine.run;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.model.LoadProgress;
import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.model.ModelConfigReader;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.model.Weights;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.StepWork;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Request;
import dev.weir.engine.testing.TinyModel;
import dev.weir.engine.text.Tokenizer;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.reference.ReferenceDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * A {@link dev.weir.engine.testing.TinyModel} whose step loops run on the test's own thread, step
 * by step: what happens between two steps is the test's to say.
 */
final class HandDriven implements AutoCloseable {
  /** The most tokens of a step of any loop here. */
  static final int STEP_TOKENS = 256;

  /** The most slots of any loop here. */
  static final int SLOTS = 32;

  /** More steps than any test here needs: a loop that does not end is a failure. */
  private static final int MAX_STEPS = 100_000;

  final Device device;
  final Tokenizer tokenizer;
  private final List<Device> devices;
  private final List<Transformer> transformers = new ArrayList<>();
  private long now;

  /**
   * @param model a directory that TinyModel has written
   * @param devices each has the model, and is closed with this; at least one
   */
  HandDriven(Path model, Device... devices) {
    this.devices = List.of(devices);
    device = devices[0];
    tokenizer = Tokenizer.load(model);
    ModelConfig config = ModelConfigReader.read(model);
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      for (Device one : devices) {
        Weights weights = Weights.load(checkpoint, config, one, LoadProgress.SILENT);
        transformers.add(
            new Transformer(config, weights, one, config.contextLength(), STEP_TOKENS, SLOTS));
      }
    }
  }

  /** The C kernels where there are any. */
  static Device fastest() {
    return CpuDevice.unavailable().isEmpty() ? CpuDevice.open(1) : ReferenceDevice.open();
  }

  /** A loop with a virtual clock, in which each look takes a microsecond. */
  StepLoop loop(int slots, int blocks, int maxLength, boolean reusePrefixes, int stepTokens) {
    return loop(
        1,
        slots,
        blocks,
        maxLength,
        reusePrefixes,
        PlanLimits.withStepTokens(stepTokens),
        this::tick);
  }

  StepLoop loop(
      int shards,
      int slots,
      int blocks,
      int maxLength,
      boolean reusePrefixes,
      PlanLimits limits,
      Clock clock) {
    return loop(
        LoopOptions.of(shards, slots, 1024, maxLength, reusePrefixes, limits), clock, blocks);
  }

  /**
   * A loop over the first devices.
   *
   * @param blocks KV blocks of each device
   */
  StepLoop loop(LoopOptions options, Clock clock, int... blocks) {
    return loop(options, clock, CostModel::new, blocks);
  }

  private StepLoop loop(
      LoopOptions options, Clock clock, Supplier<CostModel> costs, int... blocks) {
    List<DeviceModel> models = new ArrayList<>();
    for (int i = 0; i < blocks.length; i++) {
      Transformer transformer = transformers.get(i);
      models.add(
          new DeviceModel(
              devices.get(i),
              transformer,
              devices.get(i).allocateKv(transformer.kvShape(), blocks[i]),
              costs.get()));
    }
    return new StepLoop(models, tokenizer, new int[] {TinyModel.END}, options, clock);
  }

  /**
   * A loop with the virtual clock over the first devices, which compute far slower than they copy.
   */
  StepLoop loop(LoopOptions options, int... blocks) {
    return loop(options, this::tick, HandDriven::slow, blocks);
  }

  private static CostModel slow() {
    CostModel cost = new CostModel();
    StepWork work = new StepWork();
    for (int tokens = 1; tokens <= STEP_TOKENS; tokens++) {
      work.clear();
      work.addPrefill(0, tokens);
      cost.learn(work, 1e6 * tokens);
    }
    return cost;
  }

  /** A loop with room for all. */
  StepLoop roomy(int slots) {
    int blocks = slots * TinyModel.CONTEXT / KvShape.BLOCK_TOKENS;
    return loop(slots, blocks, TinyModel.CONTEXT, true, STEP_TOKENS);
  }

  /** Time passes on the virtual clock, as while a device computes. */
  void passes(long nanos) {
    now += nanos;
  }

  private long tick() {
    now += 1000;
    return now;
  }

  /** Steps until there is nothing left to compute. */
  static void drain(StepLoop loop) {
    int steps = 0;
    while (loop.step()) {
      if (++steps > MAX_STEPS) {
        throw new AssertionError("the loop goes on for ever");
      }
    }
  }

  /** What a request gives by itself. */
  static Completion alone(StepLoop loop, Request request, int[] prompt)
      throws InterruptedException {
    Generation generation = loop.submit(request, prompt);
    drain(loop);
    return generation.await();
  }

  @Override
  public void close() {
    tokenizer.close();
    devices.forEach(Device::close);
  }
}
