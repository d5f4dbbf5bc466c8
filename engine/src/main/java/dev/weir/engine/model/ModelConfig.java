package dev.weir.engine.model;

import dev.weir.kernels.StepChecks;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a model is, checked: every number is positive, bounded and consistent with the others. Read
 * by {@link ModelConfigReader}.
 *
 * @param family the decoder family
 * @param vocabSize rows of the embedding
 * @param hiddenSize elements of the residual stream
 * @param layers decoder blocks
 * @param attentionHeads query heads per layer, a multiple of {@code kvHeads}
 * @param kvHeads key/value heads per layer
 * @param headDim elements per head, even
 * @param intermediateSize elements inside the feed-forward
 * @param rmsNormEps added to the mean square in every norm; 0 is legal
 * @param rope rotary positions
 * @param maxPositions the context the file states, cut to {@link #MAX_POSITIONS}; nothing may be
 *     allocated from it alone
 * @param slidingWindow tokens a query sees, itself included, in the layers that have a window
 * @param firstSlidingLayer the layers from this one on have the window, if there is one
 * @param tieWordEmbeddings the output matrix is the embedding
 * @param qkvBias query, key and value projections have a bias
 * @param outputBias the attention's output projection has a bias
 * @param qkNorm query and key heads are normalised before rotation
 * @param fusedProjections the checkpoint keeps q, k, v in one tensor and gate, up in another
 * @param storedType {@code dtype} / {@code torch_dtype} of the file, for information: the tensors'
 *     own types decide
 * @param bosId begin-of-sequence id
 * @param eosIds ids that end a generation; {@link GenerationDefaults} has the merged list
 */
public record ModelConfig(
    ModelFamily family,
    int vocabSize,
    int hiddenSize,
    int layers,
    int attentionHeads,
    int kvHeads,
    int headDim,
    int intermediateSize,
    double rmsNormEps,
    RopeConfig rope,
    int maxPositions,
    OptionalInt slidingWindow,
    int firstSlidingLayer,
    boolean tieWordEmbeddings,
    boolean qkvBias,
    boolean outputBias,
    boolean qkNorm,
    boolean fusedProjections,
    Optional<String> storedType,
    OptionalInt bosId,
    List<Integer> eosIds) {

  /** Llama 3.1 405B has 126. */
  public static final int MAX_LAYERS = 1024;

  /** The largest public models have 16384. */
  public static final int MAX_HIDDEN = 1 << 17;

  /** The largest public dense models have 53248. */
  public static final int MAX_INTERMEDIATE = 1 << 19;

  /** The largest public models have 128. */
  public static final int MAX_HEADS = 1024;

  /** What the attention kernels hold. */
  public static final int MAX_HEAD_DIM = StepChecks.MAX_HEAD_DIM;

  /** The largest public vocabularies have about 260,000. */
  public static final int MAX_VOCAB = 1 << 22;

  /** Angles keep their meaning in float32 tables up to here. */
  public static final int MAX_POSITIONS = 1 << 24;

  /** Copies the list. */
  public ModelConfig {
    eosIds = List.copyOf(eosIds);
  }

  /** Rows of the query projection. */
  public int queryRows() {
    return attentionHeads * headDim;
  }

  /** Rows of the key projection, and of the value projection. */
  public int kvRows() {
    return kvHeads * headDim;
  }

  /** Tokens that a query of this layer sees, itself included; empty for all. */
  public OptionalInt windowOf(int layer) {
    return layer >= firstSlidingLayer ? slidingWindow : OptionalInt.empty();
  }

  /**
   * The longest context the model is made for: {@code maxPositions}, or what YaRN stretches the
   * trained context to where that is more.
   */
  public int contextLength() {
    if (rope.scaling() instanceof RopeConfig.Yarn yarn) {
      double stretched = yarn.originalPositions() * yarn.factor();
      return (int) Math.clamp(stretched, maxPositions, MAX_POSITIONS);
    }
    return maxPositions;
  }
}
