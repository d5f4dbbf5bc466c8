// Attention over BF16 caches by vdpbf16ps; queries and weights are rounded to BF16 first.
#include "attention_tile.h"

static void round_to_bf16(const float *in, int64_t count, uint16_t *out) {
  int64_t i = 0;
  for (; i + VEC_LANES <= count; i += VEC_LANES) {
    _mm256_storeu_si256((__m256i *)(out + i), (__m256i)_mm512_cvtneps_pbh(vec_load(in + i)));
  }
  for (; i < count; i++) out[i] = weir_f32_to_bf16(in[i]);
}

static void prepare(const float *query, int64_t head_dim, void *out, int64_t row) {
  round_to_bf16(query, head_dim, (uint16_t *)out + row * head_dim);
}

static void tile(const weir_attention_rows *job, const void *keys, const void *values, const void *next_keys,
                 int64_t start, weir_softmax_state *state) {
  int64_t dim = job->head_dim;
  product(PRODUCT_BF16_DOT, job->rows, job->queries, dim / 2, keys, TILE_TOKENS, dim / 2, TILE_TOKENS, job->scores,
          TILE_TOKENS, NULL, values);
  uint16_t *weights = job->weights;
  softmax_rows(job, start, state);
  round_to_bf16(job->scores, job->rows * TILE_TOKENS, weights);
  product(PRODUCT_BF16_DOT, job->rows, (const float *)weights, TILE_TOKENS / 2, values, dim, TILE_TOKENS / 2, dim,
          state->values, job->state_stride, job->corrections, next_keys);
}

static void fold(int rows, int64_t state_stride, const weir_softmax_state *from, weir_softmax_state *into) {
  attention_fold(rows, state_stride, from, into);
}

const weir_attention_kernel weir_attention_bf16_avx512bf16 = {prepare, tile, fold};
