// F32 arithmetic on 512-bit vectors: fused multiply-add, k ascending; 12 tokens × 32 outputs in 24 registers.
#include <immintrin.h>

#include "linear.h"
#include "rows.h"

#define VECTORS 2

#define INLINE static inline __attribute__((always_inline))

INLINE void load_f32(const char *b, __m512 *w) {
  for (int v = 0; v < VECTORS; v++) w[v] = _mm512_load_ps(b + v * 64);
}

INLINE void load_f16(const char *b, __m512 *w) {
  for (int v = 0; v < VECTORS; v++) w[v] = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(b + v * 32)));
}

INLINE void load_bf16_even(const char *b, __m512 *w) {
  for (int v = 0; v < VECTORS; v++) {
    w[v] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_load_si512(b + v * 64), 16));
  }
}

INLINE void load_bf16_odd(const char *b, __m512 *w) {
  __m512i upper = _mm512_set1_epi32((int)0xffff0000);
  for (int v = 0; v < VECTORS; v++) {
    w[v] = _mm512_castsi512_ps(_mm512_and_si512(_mm512_load_si512(b + v * 64), upper));
  }
}

INLINE void multiply_add(const int rows, const weir_rows *a, int64_t k, const __m512 *w,
                         __m512 sums[WEIR_MAX_ROWS][VECTORS]) {
  for (int r = 0; r < rows; r++) {
    __m512 x = _mm512_set1_ps(*(const float *)(weir_row(a, r) + k * 4));
    for (int v = 0; v < VECTORS; v++) sums[r][v] = _mm512_fmadd_ps(x, w[v], sums[r][v]);
  }
}

INLINE void tile(const int rows, const int type, const char *a, int64_t a_stride, const char *b, int64_t depth,
                 float *c, int64_t c_stride, int pass) {
  __m512 sums[WEIR_MAX_ROWS][VECTORS];
  __m512 w[VECTORS];
  weir_rows from = weir_rows_at(a, a_stride);
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) {
      sums[r][v] = pass & WEIR_ACCUMULATE ? _mm512_loadu_ps(c + r * c_stride + v * 16) : _mm512_setzero_ps();
    }
  }
  if (type == WEIR_BF16) {
    int64_t k = 0;
    for (; k + 1 < depth; k += 2, b += PANEL * 4) {
      for (int v = 0; v < VECTORS; v++) _mm_prefetch(b + WEIR_AHEAD_BYTES(rows) + v * 64, _MM_HINT_T1);
      load_bf16_even(b, w);
      multiply_add(rows, &from, k, w, sums);
      load_bf16_odd(b, w);
      multiply_add(rows, &from, k + 1, w, sums);
    }
    if (k < depth) {
      load_bf16_even(b, w);
      multiply_add(rows, &from, k, w, sums);
    }
  } else {
    const int step = type == WEIR_F32 ? PANEL * 4 : PANEL * 2;
    for (int64_t k = 0; k < depth; k++, b += step) {
      for (int line = 0; line < step; line += 64) _mm_prefetch(b + WEIR_AHEAD_BYTES(rows) + line, _MM_HINT_T1);
      if (type == WEIR_F32) {
        load_f32(b, w);
      } else {
        load_f16(b, w);
      }
      multiply_add(rows, &from, k, w, sums);
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) _mm512_storeu_ps(c + r * c_stride + v * 16, sums[r][v]);
  }
}

INLINE void tile_of(const int type, const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                    int64_t c_stride, int pass) {
#define CASE(n) \
  case n: tile(n, type, a, a_stride, b, depth, c, c_stride, pass); break;
  switch (rows) { WEIR_EACH_ROWS(CASE) }
#undef CASE
}

static void tile_f32(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int pass) {
  tile_of(WEIR_F32, a, a_stride, rows, b, depth, c, c_stride, pass);
}

static void tile_f16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int pass) {
  tile_of(WEIR_F16, a, a_stride, rows, b, depth, c, c_stride, pass);
}

static void tile_bf16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                      int64_t c_stride, int pass) {
  tile_of(WEIR_BF16, a, a_stride, rows, b, depth, c, c_stride, pass);
}

// Blocks of K whose part of a panel is 128 KiB, a small part of the second-level cache.
const weir_linear_kernel weir_linear_f32_avx512 = {tile_f32, WEIR_MAX_ROWS, 1024, 0, NULL};
const weir_linear_kernel weir_linear_f16_avx512 = {tile_f16, WEIR_MAX_ROWS, 2048, 0, NULL};
const weir_linear_kernel weir_linear_bf16_avx512 = {tile_bf16, WEIR_MAX_ROWS, 2048, 0, NULL};
