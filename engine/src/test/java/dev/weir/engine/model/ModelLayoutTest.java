package dev.weir.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.ModelLoadException;
import dev.weir.engine.load.TensorView;
import dev.weir.engine.testing.SharedData;
import dev.weir.kernels.DType;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelLayoutTest {

  private static final String LLAMA = "LlamaForCausalLM";

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "Phi3ForCausalLM"
      })
  void every_family_packs_into_the_same_matrices(String architecture) {
    ModelConfig config = TinyModels.read(folder, architecture, Map.of("head_dim", "6"));
    ModelLayout layout = ModelLayout.of(config);
    TinyModels.weights(folder, layout, UnaryOperator.identity());

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(layout.validate(checkpoint)).isEqualTo(DType.BF16);
    }
    assertThat(layout.layers()).hasSize(2);
    ModelLayout.Layer layer = layout.layers().getFirst();
    assertThat(layer.qkv().rows()).isEqualTo((4 + 2 + 2) * 6);
    assertThat(layer.qkv().columns()).isEqualTo(16);
    assertThat(layer.qkv().parts()).extracting(WeightSpec.Part::rows).containsExactly(24, 12, 12);
    assertThat(layer.output().rows()).isEqualTo(16);
    assertThat(layer.output().columns()).isEqualTo(24);
    assertThat(layer.gateUp().rows()).isEqualTo(48);
    assertThat(layer.down().columns()).isEqualTo(24);
    assertThat(layer.qkvBias() != null).isEqualTo(config.qkvBias());
    assertThat(layer.queryNorm() != null).isEqualTo(config.qkNorm());
    assertThat(layout.head()).isNotNull();
  }

  @Test
  void a_tied_model_needs_no_head() {
    ModelConfig config = TinyModels.read(folder, LLAMA, Map.of("tie_word_embeddings", "true"));

    assertThat(ModelLayout.of(config).head()).isNull();
  }

  @Test
  void missing_tensors_are_all_named() {
    ModelLayout layout =
        written(t -> t.name().contains(".0.self_attn.") ? renamed(t, "x." + t.name()) : t);

    assertRefused(
        layout,
        "4 tensors are missing",
        "'model.layers.0.self_attn.q_proj.weight'",
        "'model.layers.0.self_attn.o_proj.weight'");
  }

  @Test
  void a_tensor_of_another_shape_is_named_with_both_shapes() {
    ModelLayout layout =
        written(
            t ->
                t.name().equals("model.layers.1.mlp.down_proj.weight")
                    ? new TinyModels.Tensor(t.name(), t.dtype(), List.of(24, 16))
                    : t);

    assertRefused(layout, "'model.layers.1.mlp.down_proj.weight'", "[24, 16]", "[16, 24]");
  }

  @ParameterizedTest
  @CsvSource({"I16, must be BF16", "F32, matrices before it are of BF16"})
  void a_matrix_of_another_type_is_refused(String dtype, String message) {
    ModelLayout layout =
        written(
            t ->
                t.name().equals("model.layers.1.mlp.down_proj.weight")
                    ? new TinyModels.Tensor(t.name(), dtype, t.shape())
                    : t);

    assertRefused(layout, "'model.layers.1.mlp.down_proj.weight'", message);
  }

  @Test
  void norms_may_be_of_another_type() {
    ModelLayout layout =
        written(
            t ->
                t.name().endsWith("norm.weight")
                    ? new TinyModels.Tensor(t.name(), "F32", t.shape())
                    : t);

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(layout.validate(checkpoint)).isEqualTo(DType.BF16);
    }
  }

  @Test
  void a_bias_that_the_configuration_does_not_know_is_refused() {
    ModelConfig biased = TinyModels.read(folder, LLAMA, Map.of("attention_bias", "true"));
    TinyModels.weights(folder, ModelLayout.of(biased), UnaryOperator.identity());

    assertRefused(
        ModelLayout.of(TinyModels.read(folder, LLAMA, Map.of())),
        "8 tensors have no place",
        "'model.layers.0.self_attn.q_proj.bias'");
  }

  @Test
  void weights_for_more_layers_or_an_old_rotary_buffer_do_no_harm() {
    written(
        t ->
            t.name().equals("model.layers.1.input_layernorm.weight")
                ? renamed(t, "model.layers.0.self_attn.rotary_emb.inv_freq")
                : t);
    ModelConfig shorter = TinyModels.read(folder, LLAMA, Map.of("num_hidden_layers", "1"));

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(ModelLayout.of(shorter).validate(checkpoint)).isEqualTo(DType.BF16);
    }
  }

  @Test
  void a_fused_checkpoint_packs_to_the_bytes_of_the_separate_one() {
    Path separate = SharedData.require("models/stories260K");
    Path fused = SharedData.require("models/stories260K/variants/as-phi3");

    ModelLayout one = ModelLayout.of(ModelConfigReader.read(separate));
    ModelLayout other = ModelLayout.of(ModelConfigReader.read(fused));
    try (Checkpoint a = Checkpoint.open(separate);
        Checkpoint b = Checkpoint.open(fused)) {
      for (int i = 0; i < one.layers().size(); i++) {
        ModelLayout.Layer left = one.layers().get(i);
        ModelLayout.Layer right = other.layers().get(i);
        assertThat(packed(left.qkv(), a)).isEqualTo(packed(right.qkv(), b));
        assertThat(packed(left.gateUp(), a)).isEqualTo(packed(right.gateUp(), b));
        assertThat(packed(left.down(), a)).isEqualTo(packed(right.down(), b));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    ".,                 F32",
    "variants/bf16,     BF16",
    "variants/f16,      F16",
    "variants/sharded,  F32",
    "variants/as-mistral, F32",
    "variants/as-qwen2, F32",
    "variants/as-phi3,  F32"
  })
  void every_variant_of_the_shared_model_is_valid(String variant, DType type) {
    Path model = SharedData.require("models/stories260K").resolve(variant);
    ModelConfig config = ModelConfigReader.read(model);
    GenerationDefaults defaults = GenerationDefaults.read(model, config);

    assertThat(config.layers()).isEqualTo(5);
    assertThat(defaults.eosIds()).contains(2);
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertThat(ModelLayout.of(config).validate(checkpoint)).isEqualTo(type);
    }
  }

  private ModelLayout written(UnaryOperator<TinyModels.Tensor> change) {
    ModelLayout layout = ModelLayout.of(TinyModels.read(folder, LLAMA, Map.of()));
    TinyModels.weights(folder, layout, change);
    return layout;
  }

  private static TinyModels.Tensor renamed(TinyModels.Tensor tensor, String name) {
    return new TinyModels.Tensor(name, tensor.dtype(), tensor.shape());
  }

  private void assertRefused(ModelLayout layout, String... messages) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThatThrownBy(() -> layout.validate(checkpoint))
          .isInstanceOf(ModelLoadException.class)
          .hasMessageContainingAll(messages);
    }
  }

  private static byte[] packed(WeightSpec weight, Checkpoint checkpoint) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (WeightSpec.Part part : weight.parts()) {
      TensorView tensor = checkpoint.find(part.stored().name()).orElseThrow();
      out.writeBytes(tensor.rows(part.firstRow(), part.rows()).toArray(ValueLayout.JAVA_BYTE));
    }
    return out.toByteArray();
  }
}
