package dev.weir.engine.model;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass of every model on every device: one sequence of ops, whose presence and shapes
 * come from the configuration. Its activations are allocated once, for the largest step.
 */
public final class Transformer {
  /** Positions whose rotation is written to the device at once: a copy each would take seconds. */
  private static final int ROTARY_PIECE = 4096;

  private final Kernels kernels;
  private final Weights weights;
  private final KvShape kvShape;
  private final int hidden;
  private final int intermediate;
  private final int vocabulary;
  private final float epsilon;
  private final RotaryTable rotary;
  private final List<AttentionShape> attention;
  private final List<@Nullable QkNorm> qkNorms;

  // Activations: [tokens][…], but for the last two: [samples][…].
  private final Buffer residual;
  private final Buffer normed;
  private final Buffer qkv;
  private final Buffer attended;
  private final Buffer projected;
  private final Buffer gateUp;
  private final Buffer activated;
  private final Buffer headInput;
  private final Buffer logits;

  /**
   * @param contextLength the longest sequence; bounds the rotary table
   * @param maxTokens the most tokens of a step
   * @param maxSamples the most slices, and the most sampled rows, of a step
   */
  public Transformer(
      ModelConfig config,
      Weights weights,
      Device device,
      int contextLength,
      int maxTokens,
      int maxSamples) {
    this.weights = weights;
    kvShape =
        new KvShape(
            config.layers(), config.kvHeads(), config.headDim(), device.kvType(weights.type()));
    hidden = config.hiddenSize();
    intermediate = config.intermediateSize();
    vocabulary = config.vocabSize();
    epsilon = (float) config.rmsNormEps();
    rotary = rotaryTable(config, device, contextLength);
    attention = new ArrayList<>(config.layers());
    qkNorms = new ArrayList<>(config.layers());
    for (int layer = 0; layer < config.layers(); layer++) {
      attention.add(attentionShape(config, layer));
      qkNorms.add(qkNorm(weights.layers().get(layer)));
    }

    DType activation = device.activationType(weights.type());
    AttentionShape widest = attention.getFirst();
    long tokenRow = (long) maxTokens * activation.bytes();
    residual = device.allocate(tokenRow * hidden, "residual stream");
    normed = device.allocate(tokenRow * hidden, "normed activations");
    qkv = device.allocate(tokenRow * widest.qkvColumns(), "queries, keys and values");
    attended = device.allocate(tokenRow * widest.heads() * widest.headDim(), "attention output");
    projected = device.allocate(tokenRow * hidden, "projected activations");
    gateUp = device.allocate(tokenRow * 2 * intermediate, "gate and up");
    activated = device.allocate(tokenRow * intermediate, "gated activations");
    headInput = device.allocate((long) maxSamples * activation.bytes() * hidden, "head input");
    logits = device.allocate((long) maxSamples * Float.BYTES * vocabulary, "logits");
    device.reserve(
        new StepLimits(
            maxTokens, maxSamples, maxSamples, contextLength, widest, vocabulary, activation));
    kernels = device.kernels();
  }

  private static AttentionShape attentionShape(ModelConfig config, int layer) {
    return new AttentionShape(
        config.attentionHeads(),
        config.kvHeads(),
        config.headDim(),
        (float) (1 / Math.sqrt(config.headDim())),
        config.windowOf(layer).orElse(AttentionShape.NO_WINDOW),
        0);
  }

  private @Nullable QkNorm qkNorm(Weights.Layer layer) {
    Buffer query = layer.queryNorm();
    Buffer key = layer.keyNorm();
    return query == null || key == null ? null : new QkNorm(query, key, epsilon);
  }

  private static RotaryTable rotaryTable(ModelConfig config, Device device, int positions) {
    RotaryFrequencies frequencies = RotaryFrequencies.of(config.rope(), positions);
    int pairs = frequencies.pairs();
    long bytes = (long) positions * pairs * Float.BYTES;
    Buffer cosines = device.allocate(bytes, "rotary cosines");
    Buffer sines = device.allocate(bytes, "rotary sines");
    try (Arena arena = Arena.ofConfined()) {
      int piece = Math.min(positions, ROTARY_PIECE);
      MemorySegment cosineRows = arena.allocate(ValueLayout.JAVA_FLOAT, (long) piece * pairs);
      MemorySegment sineRows = arena.allocate(ValueLayout.JAVA_FLOAT, (long) piece * pairs);
      double scaling = frequencies.attentionScaling();
      for (int first = 0; first < positions; first += piece) {
        int count = Math.min(piece, positions - first);
        for (int row = 0; row < count; row++) {
          for (int i = 0; i < pairs; i++) {
            double angle = (first + row) * frequencies.inverseFrequency(i);
            long at = (long) row * pairs + i;
            cosineRows.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (scaling * Math.cos(angle)));
            sineRows.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (scaling * Math.sin(angle)));
          }
        }
        long rowBytes = (long) pairs * Float.BYTES;
        device.write(cosines, first * rowBytes, cosineRows.asSlice(0, count * rowBytes));
        device.write(sines, first * rowBytes, sineRows.asSlice(0, count * rowBytes));
      }
    }
    return new RotaryTable(cosines, sines, positions, 2 * pairs);
  }

  /** What a token leaves in the cache. */
  public KvShape kvShape() {
    return kvShape;
  }

  /** Columns of the logits. */
  public int vocabulary() {
    return vocabulary;
  }

  /** F32 [R][vocabulary] of the last forward's sampled rows. */
  public Buffer logits() {
    return logits;
  }

  /** Computes a step: writes its tokens' KV into the cache and leaves {@link #logits}. */
  public void forward(StepInputs step, KvArena cache) {
    int tokens = step.tokens();
    kernels.prepare(step);
    kernels.embed(step, weights.embedding(), residual);
    Buffer delta = null;
    for (int i = 0; i < weights.layers().size(); i++) {
      Weights.Layer layer = weights.layers().get(i);
      AttentionShape shape = attention.get(i);
      kernels.addRmsNorm(tokens, hidden, residual, delta, layer.inputNorm(), epsilon, normed);
      kernels.linear(tokens, normed, layer.qkv(), qkv);
      kernels.rotateAndCache(step, shape, qkNorms.get(i), rotary, qkv, cache, i);
      kernels.attention(step, shape, qkv, cache, i, attended);
      kernels.linear(tokens, attended, layer.output(), projected);
      kernels.addRmsNorm(
          tokens, hidden, residual, projected, layer.postAttentionNorm(), epsilon, normed);
      kernels.linear(tokens, normed, layer.gateUp(), gateUp);
      kernels.gatedActivation(tokens, intermediate, gateUp, activated);
      kernels.linear(tokens, activated, layer.down(), projected);
      delta = projected;
    }
    if (step.samples() > 0) {
      LinearWeight head = weights.head();
      kernels.gatherAddRmsNorm(
          step, hidden, residual, projected, weights.finalNorm(), epsilon, headInput);
      kernels.logits(step.samples(), headInput, head, logits);
    }
  }
}
