package dev.weir.engine.simulate;

import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.model.ModelFamily;
import dev.weir.engine.model.RopeConfig;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.model.Weights;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** The smallest model there can be, without a checkpoint: what it would compute nobody computes. */
public final class SimulatedModel {
  private static final int LAYERS = 1;
  private static final int HIDDEN = 2;
  private static final int HEADS = 1;

  /** The smallest that can be rotated; in F16 a token then leaves the 8 bytes of its state. */
  private static final int HEAD_DIM = 2;

  private static final int QKV_ROWS = 3 * HEADS * HEAD_DIM;
  private static final double EPSILON = 1e-6;
  private static final double THETA = 1e4;

  private SimulatedModel() {}

  /**
   * The model on a device.
   *
   * @param vocabulary its tokens are below this
   * @param contextLength the longest sequence
   * @param stepTokens the most tokens of a step
   * @param slots the most sequences of a step
   */
  public static Transformer on(
      SimulatedDevice device, int vocabulary, int contextLength, int stepTokens, int slots) {
    return new Transformer(
        config(vocabulary, contextLength),
        weights(device, vocabulary),
        device,
        contextLength,
        stepTokens,
        slots);
  }

  private static ModelConfig config(int vocabulary, int contextLength) {
    return new ModelConfig(
        ModelFamily.LLAMA,
        vocabulary,
        HIDDEN,
        LAYERS,
        HEADS,
        HEADS,
        HEAD_DIM,
        HIDDEN,
        EPSILON,
        new RopeConfig(THETA, HEAD_DIM, new RopeConfig.None()),
        contextLength,
        OptionalInt.empty(),
        LAYERS,
        true,
        false,
        false,
        false,
        false,
        Optional.empty(),
        OptionalInt.empty(),
        List.of());
  }

  private static Weights weights(Device device, int vocabulary) {
    DType type = DType.F16;
    var embedding = device.allocateLinear(type, vocabulary, HIDDEN, "embedding");
    List<Weights.Layer> layers = new ArrayList<>();
    for (int i = 0; i < LAYERS; i++) {
      layers.add(
          new Weights.Layer(
              device.allocate(HIDDEN * Float.BYTES, "norm"),
              device.allocateLinear(type, QKV_ROWS, HIDDEN, "projection"),
              null,
              null,
              device.allocateLinear(type, HIDDEN, HEADS * HEAD_DIM, "projection"),
              device.allocate(HIDDEN * Float.BYTES, "norm"),
              device.allocateLinear(type, 2 * HIDDEN, HIDDEN, "projection"),
              device.allocateLinear(type, HIDDEN, HIDDEN, "projection")));
    }
    return new Weights(
        type,
        embedding,
        List.copyOf(layers),
        device.allocate(HIDDEN * Float.BYTES, "norm"),
        embedding);
  }
}
