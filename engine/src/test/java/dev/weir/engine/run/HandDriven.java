package dev.weir.engine.run;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.model.LoadProgress;
import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.model.ModelConfigReader;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.model.Weights;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
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
import java.util.List;

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
  private final Transformer transformer;
  private long now;

  /**
   * @param model a directory that TinyModel has written
   * @param device closed with this
   */
  HandDriven(Path model, Device device) {
    this.device = device;
    tokenizer = Tokenizer.load(model);
    ModelConfig config = ModelConfigReader.read(model);
    Weights weights;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      weights = Weights.load(checkpoint, config, device, LoadProgress.SILENT);
    }
    transformer =
        new Transformer(config, weights, device, config.contextLength(), STEP_TOKENS, SLOTS);
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
    return new StepLoop(
        List.of(
            new DeviceModel(
                device,
                transformer,
                device.allocateKv(transformer.kvShape(), blocks),
                new CostModel())),
        tokenizer,
        new int[] {TinyModel.END},
        LoopOptions.of(shards, slots, 1024, maxLength, reusePrefixes, limits),
        clock);
  }

  /** A loop with room for all. */
  StepLoop roomy(int slots) {
    int blocks = slots * TinyModel.CONTEXT / KvShape.BLOCK_TOKENS;
    return loop(slots, blocks, TinyModel.CONTEXT, true, STEP_TOKENS);
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
    device.close();
  }
}
