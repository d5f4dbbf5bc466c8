// BF16 by vdpbf16ps: pairs of K, ascending; 12 tokens × 32 outputs in 24 registers.
#include <immintrin.h>
#include <string.h>

#include "convert.h"
#include "linear.h"
#include "rows.h"

#define VECTORS 2
#define STEP_BYTES 128 // one pair of K, 32 outputs

static inline __attribute__((always_inline)) void tile(const int rows, const char *a, int64_t a_stride, const char *b,
                                                       int64_t pairs, float *c, int64_t c_stride,
                                                       int pass) {
  __m512 sums[WEIR_MAX_ROWS][VECTORS];
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) {
      sums[r][v] = pass & WEIR_ACCUMULATE ? _mm512_loadu_ps(c + r * c_stride + v * 16) : _mm512_setzero_ps();
    }
  }
  weir_rows from = weir_rows_at(a, a_stride);
  for (int64_t p = 0; p < pairs; p++, b += STEP_BYTES) {
    __m512bh w[VECTORS];
    for (int v = 0; v < VECTORS; v++) {
      _mm_prefetch(b + WEIR_AHEAD_BYTES(rows) + v * 64, _MM_HINT_T1);
      w[v] = (__m512bh)_mm512_load_si512(b + v * 64);
    }
    for (int r = 0; r < rows; r++) {
      int pair;
      memcpy(&pair, weir_row(&from, r) + p * 4, sizeof pair);
      __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
      for (int v = 0; v < VECTORS; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, w[v]);
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) _mm512_storeu_ps(c + r * c_stride + v * 16, sums[r][v]);
  }
}

static void tile_bf16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                      int64_t c_stride, int pass) {
  int64_t pairs = depth / 2;
#define CASE(n) \
  case n: tile(n, a, a_stride, b, pairs, c, c_stride, pass); break;
  switch (rows) { WEIR_EACH_ROWS(CASE) }
#undef CASE
}

void weir_round_avx512bf16(const float *in, int64_t count, uint16_t *out) {
  int64_t k = 0;
  for (; k + 16 <= count; k += 16) {
    _mm256_storeu_si256((__m256i *)(out + k), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(in + k)));
  }
  for (; k < count; k++) out[k] = weir_f32_to_bf16(in[k]);
}

// A block of 2048 of K is 128 KiB of a panel, a small part of the second-level cache.
const weir_linear_kernel weir_linear_bf16_avx512bf16 = {tile_bf16, WEIR_MAX_ROWS, 2048, 1, NULL};
