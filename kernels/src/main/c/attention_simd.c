// Attention over F32 caches, and over BF16 caches by widening.
#include "attention_tile.h"

static void prepare(const float *query, int64_t head_dim, void *out, int64_t row) {
  memcpy((float *)out + row * head_dim, query, (size_t)head_dim * sizeof *query);
}

VEC_INLINE void tile(const int kind, const weir_attention_rows *job, const float *keys, const float *values,
                     const float *next_keys, int64_t start, weir_softmax_state *state) {
  int64_t dim = job->head_dim;
  int64_t elements = kind == PRODUCT_F32 ? 1 : 2; // of a step
  product(kind, job->rows, job->queries, dim, keys, TILE_TOKENS, dim / elements, TILE_TOKENS, job->scores, TILE_TOKENS,
          NULL, values);
  softmax_rows(job, start, state);
  product(kind, job->rows, job->scores, TILE_TOKENS, values, dim, TILE_TOKENS / elements, dim, state->values,
          job->state_stride, job->corrections, next_keys);
}

static void tile_f32(const weir_attention_rows *job, const void *keys, const void *values, const void *next_keys,
                     int64_t start, weir_softmax_state *state) {
  tile(PRODUCT_F32, job, keys, values, next_keys, start, state);
}

static void tile_bf16(const weir_attention_rows *job, const void *keys, const void *values,
                      const void *next_keys, int64_t start, weir_softmax_state *state) {
  tile(PRODUCT_WIDEN, job, keys, values, next_keys, start, state);
}

static void fold(int rows, int64_t state_stride, const weir_softmax_state *from, weir_softmax_state *into) {
  attention_fold(rows, state_stride, from, into);
}

const weir_attention_kernel WEIR_LEVEL(weir_attention_f32) = {prepare, tile_f32, fold};
const weir_attention_kernel WEIR_LEVEL(weir_attention_bf16) = {prepare, tile_bf16, fold};
