// The parts of an attention kernel, for the level that the including file is compiled for. Rows are computed side by
// side and never mix: a row has the same bits alone and among others.
#pragma once

#include <math.h>

#include "attention.h"
#include "convert.h"
#include "vec.h"

#define LINE_FLOATS 16 // of a cache line

// How a product multiplies.
enum {
  PRODUCT_F32,      // one element a step
  PRODUCT_WIDEN,    // a pair of BF16 against two floats a step, widened
  PRODUCT_BF16_DOT, // a pair against a pair a step, by vdpbf16ps
};

// Accumulators are PRODUCT_ROWS * PRODUCT_VECTORS of the registers, beside one step of the tile.
#define PRODUCT_VECTORS 4
#if VEC_LANES == 16
#define PRODUCT_ROWS 6
#else
#define PRODUCT_ROWS 2
#endif

// c[r][…] = c[r][…] * corrections[r] (0 if NULL) + sum over steps of a[r][step] * b[step][…], steps ascending. A step
// of a is a float, two floats or two BF16; a step of b is `b_stride` floats or words. part > 0: one vector of that many.
// next: the tile that is read after b and has its size, asked for step by step, so that it has arrived when its turn
// comes (tiles are scattered over the arena, where no hardware can foresee them); or NULL.
VEC_INLINE void product_tile(const int kind, const int rows, const int vectors, const int part, const float *a,
                             int64_t a_stride, const float *b, int64_t b_stride, int64_t steps, float *c,
                             int64_t c_stride, const float *corrections, const float *next) {
  vec sums[PRODUCT_ROWS][PRODUCT_VECTORS];
  for (int r = 0; r < rows; r++) {
    vec correction = vec_set1(corrections ? corrections[r] : 0);
    for (int v = 0; v < vectors; v++) {
      sums[r][v] = vec_zero();
      if (corrections) sums[r][v] = vec_load(c + r * c_stride + v * VEC_LANES) * correction;
    }
  }
  for (int64_t step = 0; step < steps; step++, b += b_stride) {
    vec tile[PRODUCT_VECTORS];
    if (next) {
      for (int at = 0; at < vectors * VEC_LANES; at += LINE_FLOATS) __builtin_prefetch(next + at, 0, 2);
      next += b_stride;
    }
    for (int v = 0; v < vectors; v++) {
      tile[v] = part ? vec_load_part(b, part) : vec_load(b + v * VEC_LANES);
    }
    for (int r = 0; r < rows; r++) {
      const float *row = a + r * a_stride;
      if (kind == PRODUCT_F32) {
        vec x = vec_set1(row[step]);
        for (int v = 0; v < vectors; v++) sums[r][v] = vec_fma(x, tile[v], sums[r][v]);
      } else if (kind == PRODUCT_WIDEN) {
        vec x0 = vec_set1(row[2 * step]);
        vec x1 = vec_set1(row[2 * step + 1]);
        for (int v = 0; v < vectors; v++) {
          sums[r][v] = vec_fma(x1, vec_bf16_high(tile[v]), vec_fma(x0, vec_bf16_low(tile[v]), sums[r][v]));
        }
      } else {
#if defined(__AVX512BF16__)
        __m512bh x = (__m512bh)_mm512_set1_ps(row[step]);
        for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, (__m512bh)tile[v]);
#endif
      }
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) vec_store(c + r * c_stride + v * VEC_LANES, sums[r][v]);
  }
}

VEC_INLINE void product_rows(const int kind, const int vectors, const int part, int rows, const float *a,
                             int64_t a_stride, const float *b, int64_t b_stride, int64_t steps, float *c,
                             int64_t c_stride, const float *corrections, const float *next) {
  while (rows > 0) {
    int count = rows < PRODUCT_ROWS ? rows : PRODUCT_ROWS;
#define PRODUCT_CASE(n) \
  case n: product_tile(kind, n, vectors, part, a, a_stride, b, b_stride, steps, c, c_stride, corrections, next); break
    switch (count) {
      PRODUCT_CASE(1);
#if PRODUCT_ROWS == 6
      PRODUCT_CASE(2);
      PRODUCT_CASE(3);
      PRODUCT_CASE(4);
      PRODUCT_CASE(5);
#endif
      PRODUCT_CASE(PRODUCT_ROWS);
    }
    a += count * a_stride;
    c += count * c_stride;
    if (corrections) corrections += count;
    rows -= count;
    next = NULL;
  }
}

// The same for `columns` columns of b and c; c has room for whole vectors.
VEC_INLINE void product(const int kind, int rows, const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                        int64_t steps, int64_t columns, float *c, int64_t c_stride, const float *corrections,
                        const float *next) {
  int64_t at = 0;
  for (; at + PRODUCT_VECTORS * VEC_LANES <= columns; at += PRODUCT_VECTORS * VEC_LANES) {
    product_rows(kind, PRODUCT_VECTORS, 0, rows, a, a_stride, b + at, b_stride, steps, c + at, c_stride, corrections,
                 next ? next + at : NULL);
  }
  for (; at + VEC_LANES <= columns; at += VEC_LANES) {
    product_rows(kind, 1, 0, rows, a, a_stride, b + at, b_stride, steps, c + at, c_stride, corrections,
                 next ? next + at : NULL);
  }
  int part = (int)(columns - at);
  if (part) {
    product_rows(kind, 1, part, rows, a, a_stride, b + at, b_stride, steps, c + at, c_stride, corrections, NULL);
  }
}

#define TILE_VECTORS (TILE_TOKENS / VEC_LANES)

// One row's products become scores: scaled, capped, and minus infinity outside the row's window. Returns the largest.
VEC_INLINE float score_row(const weir_attention_rows *job, int r, float *scores, int64_t start) {
  vec s[TILE_VECTORS];
  for (int v = 0; v < TILE_VECTORS; v++) s[v] = vec_load(scores + v * VEC_LANES) * vec_set1(job->scale);
  if (job->soft_cap != 0) {
    vec cap = vec_set1(job->soft_cap);
    for (int v = 0; v < TILE_VECTORS; v++) s[v] = cap * vec_tanh(s[v] / cap);
  }
  for (int v = 0; v < TILE_VECTORS; v++) vec_store(scores + v * VEC_LANES, s[v]);
  int64_t last = job->row_positions[r] - start;
  int64_t first = last - job->window + 1;
  if (first > 0 || last < TILE_TOKENS - 1) {
    for (int64_t i = 0; i < TILE_TOKENS; i++) scores[i] = i < first || i > last ? -INFINITY : scores[i];
    for (int v = 0; v < TILE_VECTORS; v++) s[v] = vec_load(scores + v * VEC_LANES);
  }
  vec top = s[0];
  for (int v = 1; v < TILE_VECTORS; v++) top = vec_max(s[v], top);
  return vec_largest(top);
}

// Turns the products of all rows into weights, relative to each row's largest score so far, and says by what the state
// before must be multiplied.
VEC_INLINE void softmax_rows(const weir_attention_rows *job, int64_t start, weir_softmax_state *state) {
  float largest[BLOCK_ROWS], bases[BLOCK_ROWS], sums[BLOCK_ROWS];
  for (int r = 0; r < job->rows; r++) {
    float here = score_row(job, r, job->scores + r * TILE_TOKENS, start);
    largest[r] = state->largest[r] > here ? state->largest[r] : here;
    // Where every score is minus infinity nothing was seen yet: any finite number makes zeros of them.
    bases[r] = largest[r] == -INFINITY ? 0 : largest[r];
  }
  for (int r = 0; r < job->rows; r += VEC_LANES) { // whole vectors: what lies behind the last row is not used
    vec_store(job->corrections + r, vec_exp(vec_load(state->largest + r) - vec_load(bases + r)));
  }
  for (int r = 0; r < job->rows; r++) {
    float *scores = job->scores + r * TILE_TOKENS;
    vec base = vec_set1(bases[r]);
    vec sum = vec_zero();
    for (int v = 0; v < TILE_VECTORS; v++) {
      vec weight = vec_exp(vec_load(scores + v * VEC_LANES) - base);
      sum = sum + weight;
      vec_store(scores + v * VEC_LANES, weight);
    }
    sums[r] = vec_sum(sum);
  }
  for (int r = 0; r < job->rows; r++) {
    state->largest[r] = largest[r];
    state->sum[r] = state->sum[r] * job->corrections[r] + sums[r];
  }
}

VEC_INLINE void attention_fold(int rows, int64_t state_stride, const weir_softmax_state *from,
                               weir_softmax_state *into) {
  for (int r = 0; r < rows; r++) {
    if (from->largest[r] == -INFINITY) continue;
    float largest = into->largest[r] > from->largest[r] ? into->largest[r] : from->largest[r];
    float a = vec_exp1(into->largest[r] - largest);
    float b = vec_exp1(from->largest[r] - largest);
    into->largest[r] = largest;
    into->sum[r] = into->sum[r] * a + from->sum[r] * b;
    float *x = into->values + r * state_stride;
    const float *y = from->values + r * state_stride;
    for (int64_t d = 0; d < state_stride; d += VEC_LANES) {
      vec_store(x + d, vec_load(x + d) * vec_set1(a) + vec_load(y + d) * vec_set1(b));
    }
  }
}
