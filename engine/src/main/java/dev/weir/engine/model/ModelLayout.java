package dev.weir.engine.model;

import static dev.weir.engine.load.ModelLoadException.quote;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.load.TensorView;
import dev.weir.kernels.DType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Every weight a model needs and where the checkpoint keeps it; the same form for all families, so
 * that the loader packs without knowing them. Tensor names are those of Hugging Face transformers.
 *
 * @param embedding [vocab][hidden]
 * @param layers one per decoder block
 * @param finalNorm [hidden]
 * @param head [vocab][hidden]; null if the embedding serves as the output matrix
 */
public record ModelLayout(
    WeightSpec embedding, List<Layer> layers, WeightSpec finalNorm, @Nullable WeightSpec head) {

  private static final int MAX_NAMED = 8; // missing tensors listed in an error
  private static final String LAYERS = "model.layers.";

  /** A buffer that old Llama checkpoints carry; Weir computes it. */
  private static final String ROTARY_BUFFER = ".rotary_emb.inv_freq";

  /**
   * One decoder block.
   *
   * @param inputNorm [hidden]
   * @param qkv [q rows; k rows; v rows][hidden]
   * @param qkvBias [q rows; k rows; v rows], or null
   * @param queryNorm [headDim], or null
   * @param keyNorm [headDim], or null
   * @param output [hidden][q rows]
   * @param outputBias [hidden], or null
   * @param postAttentionNorm [hidden]
   * @param gateUp [gate rows; up rows][hidden]
   * @param down [hidden][intermediate]
   */
  public record Layer(
      WeightSpec inputNorm,
      WeightSpec qkv,
      @Nullable WeightSpec qkvBias,
      @Nullable WeightSpec queryNorm,
      @Nullable WeightSpec keyNorm,
      WeightSpec output,
      @Nullable WeightSpec outputBias,
      WeightSpec postAttentionNorm,
      WeightSpec gateUp,
      WeightSpec down) {

    /** All weights of the block. */
    public Stream<WeightSpec> weights() {
      return Stream.of(
              inputNorm,
              qkv,
              qkvBias,
              queryNorm,
              keyNorm,
              output,
              outputBias,
              postAttentionNorm,
              gateUp,
              down)
          .filter(Objects::nonNull);
    }
  }

  /** The layout of a model. */
  public static ModelLayout of(ModelConfig config) {
    int hidden = config.hiddenSize();
    List<Layer> layers = new ArrayList<>();
    for (int i = 0; i < config.layers(); i++) {
      layers.add(layer(config, LAYERS + i + "."));
    }
    return new ModelLayout(
        WeightSpec.whole("model.embed_tokens.weight", config.vocabSize(), hidden),
        List.copyOf(layers),
        WeightSpec.whole("model.norm.weight", hidden),
        config.tieWordEmbeddings()
            ? null
            : WeightSpec.whole("lm_head.weight", config.vocabSize(), hidden));
  }

  private static Layer layer(ModelConfig config, String prefix) {
    int hidden = config.hiddenSize();
    int queryRows = config.queryRows();
    int kvRows = config.kvRows();
    int headDim = config.headDim();
    int inner = config.intermediateSize();
    String attention = prefix + "self_attn.";
    String mlp = prefix + "mlp.";
    List<String> qkv = List.of("q_proj", "k_proj", "v_proj");
    List<Integer> qkvRows = List.of(queryRows, kvRows, kvRows);
    return new Layer(
        WeightSpec.whole(prefix + "input_layernorm.weight", hidden),
        config.fusedProjections()
            ? fused(attention + "qkv_proj.weight", qkvRows, hidden)
            : stacked(attention, qkv, qkvRows, hidden),
        config.qkvBias() ? stackedBias(attention, qkv, qkvRows) : null,
        config.qkNorm() ? WeightSpec.whole(attention + "q_norm.weight", headDim) : null,
        config.qkNorm() ? WeightSpec.whole(attention + "k_norm.weight", headDim) : null,
        WeightSpec.whole(attention + "o_proj.weight", hidden, queryRows),
        config.outputBias() ? WeightSpec.whole(attention + "o_proj.bias", hidden) : null,
        WeightSpec.whole(prefix + "post_attention_layernorm.weight", hidden),
        config.fusedProjections()
            ? fused(mlp + "gate_up_proj.weight", List.of(inner, inner), hidden)
            : stacked(mlp, List.of("gate_proj", "up_proj"), List.of(inner, inner), hidden),
        WeightSpec.whole(mlp + "down_proj.weight", hidden, inner));
  }

  private static WeightSpec stacked(
      String prefix, List<String> names, List<Integer> rows, int columns) {
    List<WeightSpec.Part> parts = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      String name = prefix + names.get(i) + ".weight";
      var stored = new WeightSpec.Stored(name, List.of(rows.get(i), columns));
      parts.add(new WeightSpec.Part(stored, 0, rows.get(i)));
    }
    return new WeightSpec(parts);
  }

  private static WeightSpec stackedBias(String prefix, List<String> names, List<Integer> rows) {
    List<WeightSpec.Part> parts = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      var stored = new WeightSpec.Stored(prefix + names.get(i) + ".bias", List.of(rows.get(i)));
      parts.add(new WeightSpec.Part(stored, 0, rows.get(i)));
    }
    return new WeightSpec(parts);
  }

  private static WeightSpec fused(String name, List<Integer> rows, int columns) {
    int total = rows.stream().mapToInt(Integer::intValue).sum();
    var stored = new WeightSpec.Stored(name, List.of(total, columns));
    List<WeightSpec.Part> parts = new ArrayList<>();
    int first = 0;
    for (int count : rows) {
      parts.add(new WeightSpec.Part(stored, first, count));
      first += count;
    }
    return new WeightSpec(parts);
  }

  /** All weights, in the order of a forward pass. */
  public Stream<WeightSpec> weights() {
    Stream<WeightSpec> ends = Stream.of(finalNorm, head).filter(Objects::nonNull);
    return Stream.concat(
        Stream.of(embedding), Stream.concat(layers.stream().flatMap(Layer::weights), ends));
  }

  /**
   * Checks, before any memory is allocated, that the checkpoint holds every weight with its shape
   * and a type Weir computes, that all matrices have one type, and that no block holds a tensor
   * this architecture would leave unused (a result without it would be silently wrong).
   *
   * @return the type of the matrices; vectors may be of others
   * @throws ModelLoadException naming the tensors
   */
  public DType validate(Checkpoint checkpoint) {
    refuseMissing(checkpoint);
    DType type = requireAll(checkpoint);
    refuseUnused(checkpoint);
    return type;
  }

  private void refuseMissing(Checkpoint checkpoint) {
    List<String> missing =
        storedNames().filter(name -> checkpoint.find(name).isEmpty()).distinct().toList();
    if (!missing.isEmpty()) {
      throw new ModelLoadException(
          checkpoint.directory(),
          "weights",
          missing.size() + " tensors are missing: " + listed(missing),
          "config.json and the weights do not belong together, or a shard is missing");
    }
  }

  private DType requireAll(Checkpoint checkpoint) {
    DType type = null;
    for (WeightSpec weight : weights().toList()) {
      for (WeightSpec.Part part : weight.parts()) {
        WeightSpec.Stored stored = part.stored();
        TensorView tensor = checkpoint.require(stored.name(), stored.dimensions());
        if (!weight.isMatrix()) {
          continue;
        }
        if (type != null && tensor.dtype() != type) {
          throw new ModelLoadException(
              tensor.file(),
              "tensor " + quote(stored.name()),
              "is of type " + tensor.dtype() + ", but matrices before it are of " + type,
              "use a checkpoint with one type for all weight matrices");
        }
        type = tensor.dtype();
      }
    }
    return Objects.requireNonNull(type, "a model has matrices");
  }

  private void refuseUnused(Checkpoint checkpoint) {
    Set<String> used = new HashSet<>(storedNames().toList());
    List<String> unused =
        checkpoint.names().stream()
            .filter(name -> !used.contains(name) && inUsedLayer(name))
            .filter(name -> !name.endsWith(ROTARY_BUFFER))
            .toList();
    if (!unused.isEmpty()) {
      throw new ModelLoadException(
          checkpoint.directory(),
          "weights",
          unused.size() + " tensors have no place in this architecture: " + listed(unused),
          "check architectures and the bias settings in config.json");
    }
  }

  private boolean inUsedLayer(String name) {
    if (!name.startsWith(LAYERS)) {
      return false;
    }
    int end = name.indexOf('.', LAYERS.length());
    String number = end < 0 ? "" : name.substring(LAYERS.length(), end);
    return number.matches("[0-9]{1,4}") && Integer.parseInt(number) < layers.size();
  }

  private Stream<String> storedNames() {
    return weights().flatMap(weight -> weight.parts().stream()).map(part -> part.stored().name());
  }

  private static String listed(List<String> names) {
    String some =
        String.join(", ", names.stream().limit(MAX_NAMED).map(ModelLoadException::quote).toList());
    return names.size() > MAX_NAMED ? some + ", …" : some;
  }
}
