package dev.weir.kernels;

import org.jspecify.annotations.Nullable;

/**
 * The op set of a transformer step. Small on purpose: one {@code Transformer.forward} calls it for
 * every model and every device.
 *
 * <p>Notation: T tokens, S slices, R rows to sample, as in {@link StepInputs}; "activation" is the
 * element type that {@link Device#activationType} names. Buffers may be longer than what an op
 * uses. Ops may return before they are done; they see each other's results in call order, and
 * {@link Device#download} waits for all.
 *
 * <p><b>Fixed reductions.</b> Every result of one token is a pure function of that token's inputs:
 * each op reduces in an order that depends on weight shapes and absolute positions alone, never on
 * T, S, the other slices, or the number of threads. So the bits of a token are the same whether it
 * is computed alone, in a batch, or in a chunk of any length, and tests compare with equals.
 */
public interface Kernels {

  /**
   * Begins a step: what a device wants to know of all slices before the first op. Ops that take a
   * step see what was prepared last.
   */
  void prepare(StepInputs step);

  /**
   * Rows of the embedding table: {@code out[t] = table[tokenIds[t]]}.
   *
   * @param table [vocabulary][hidden], the same packed form as a linear weight, so that a tied head
   *     shares it
   * @param out activation [T][hidden]
   */
  void embed(StepInputs step, LinearWeight table, Buffer out);

  /**
   * Residual add and RMS norm: {@code residual[t] += delta[t]} (if delta is given), {@code out[t] =
   * residual[t] * weight / sqrt(mean(residual[t]²) + epsilon)}.
   *
   * @param rows T
   * @param residual activation [T][dim], updated in place
   * @param delta activation [T][dim], or null
   * @param weight F32 [dim]
   * @param out activation [T][dim]
   */
  void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out);

  /**
   * The same for the rows that are sampled: {@code out[r]} is the norm of {@code
   * residual[sampleRows[r]] + delta[sampleRows[r]]}; the residual is left as it is.
   *
   * @param out activation [R][dim]
   */
  void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out);

  /**
   * {@code out[t] = weight · in[t] + bias}.
   *
   * @param rows T or R
   * @param in activation [rows][weight.columns()]
   * @param out activation [rows][weight.rows()]
   */
  void linear(int rows, Buffer in, LinearWeight weight, Buffer out);

  /**
   * Norms (if given) and rotates queries and keys, writes keys and values of the step's tokens into
   * the cache, and leaves the finished queries in place.
   *
   * @param qkv activation [T][(heads + 2 kvHeads) headDim]: queries, keys, values; queries are
   *     updated in place
   * @param norm null where the family has none
   * @param layer the layer whose cache is written
   */
  void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer);

  /**
   * Causal attention of the step's tokens over the cache, this step's keys and values included;
   * ragged and paged, GQA, sliding window, soft-cap. Positions are walked in tiles of {@link
   * KvShape#BLOCK_TOKENS} at absolute positions, and partial results folded at fixed absolute
   * boundaries.
   *
   * @param qkv activation [T][(heads + 2 kvHeads) headDim], of which the queries are read
   * @param out activation [T][heads headDim]
   */
  void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out);

  /**
   * {@code out[t][i] = silu(gateUp[t][i]) * gateUp[t][width + i]}.
   *
   * @param gateUp activation [T][2 width]
   * @param out activation [T][width]
   */
  void gatedActivation(int rows, int width, Buffer gateUp, Buffer out);

  /**
   * Logits of the sampled rows, always F32: {@code out[r] = head · in[r]}.
   *
   * @param rows R
   * @param in activation [R][hidden]
   * @param head [vocabulary][hidden]
   * @param out F32 [R][vocabulary]
   */
  void logits(int rows, Buffer in, LinearWeight head, Buffer out);

  /**
   * Draws one token per row as {@link SampleLayout} describes, and reports raw logprobs.
   *
   * @param rows R
   * @param vocabulary columns of {@code logits}
   * @param logits F32 [R][vocabulary]; used as scratch, undefined afterwards
   * @param parameters rows of {@link SampleLayout}, with the lists they refer to
   * @param results rows of {@link SampleLayout}'s result form
   */
  void sample(int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results);

  /**
   * Copies whole blocks inside the arena, pair after pair.
   *
   * @param pairs I32 [count][2]: source and destination block numbers
   */
  void copyBlocks(KvArena cache, int count, Buffer pairs);
}
