// F32 arithmetic on 512-bit vectors: fused multiply-add, k ascending; 6 tokens × 64 outputs in 24 registers.
#include <immintrin.h>

#include "linear.h"

#define TILE_ROWS 6
#define VECTORS 4
#define PREFETCH_BYTES 4096

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

INLINE void multiply_add(const int rows, const char *a, int64_t a_stride, int64_t k, const __m512 *w,
                         __m512 sums[TILE_ROWS][VECTORS]) {
  for (int r = 0; r < rows; r++) {
    __m512 x = _mm512_set1_ps(*(const float *)(a + r * a_stride + k * 4));
    for (int v = 0; v < VECTORS; v++) sums[r][v] = _mm512_fmadd_ps(x, w[v], sums[r][v]);
  }
}

INLINE void tile(const int rows, const int type, const char *a, int64_t a_stride, const char *b, int64_t depth,
                 float *c, int64_t c_stride, int accumulate) {
  __m512 sums[TILE_ROWS][VECTORS];
  __m512 w[VECTORS];
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) {
      sums[r][v] = accumulate ? _mm512_loadu_ps(c + r * c_stride + v * 16) : _mm512_setzero_ps();
    }
  }
  if (type == WEIR_BF16) {
    int64_t k = 0;
    for (; k + 1 < depth; k += 2, b += PANEL * 4) {
      for (int v = 0; v < VECTORS; v++) _mm_prefetch(b + PREFETCH_BYTES + v * 64, _MM_HINT_T0);
      load_bf16_even(b, w);
      multiply_add(rows, a, a_stride, k, w, sums);
      load_bf16_odd(b, w);
      multiply_add(rows, a, a_stride, k + 1, w, sums);
    }
    if (k < depth) {
      load_bf16_even(b, w);
      multiply_add(rows, a, a_stride, k, w, sums);
    }
  } else {
    const int step = type == WEIR_F32 ? PANEL * 4 : PANEL * 2;
    for (int64_t k = 0; k < depth; k++, b += step) {
      for (int line = 0; line < step; line += 64) _mm_prefetch(b + PREFETCH_BYTES + line, _MM_HINT_T0);
      if (type == WEIR_F32) {
        load_f32(b, w);
      } else {
        load_f16(b, w);
      }
      multiply_add(rows, a, a_stride, k, w, sums);
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < VECTORS; v++) _mm512_storeu_ps(c + r * c_stride + v * 16, sums[r][v]);
  }
}

INLINE void tile_of(const int type, const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                    int64_t c_stride, int accumulate) {
  switch (rows) {
  case 1: tile(1, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  case 2: tile(2, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  case 3: tile(3, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  case 4: tile(4, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  case 5: tile(5, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  default: tile(6, type, a, a_stride, b, depth, c, c_stride, accumulate); break;
  }
}

static void tile_f32(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int accumulate) {
  tile_of(WEIR_F32, a, a_stride, rows, b, depth, c, c_stride, accumulate);
}

static void tile_f16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int accumulate) {
  tile_of(WEIR_F16, a, a_stride, rows, b, depth, c, c_stride, accumulate);
}

static void tile_bf16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                      int64_t c_stride, int accumulate) {
  tile_of(WEIR_BF16, a, a_stride, rows, b, depth, c, c_stride, accumulate);
}

const weir_linear_kernel weir_linear_f32_avx512 = {tile_f32, TILE_ROWS, 512, 0};
const weir_linear_kernel weir_linear_f16_avx512 = {tile_f16, TILE_ROWS, 1024, 0};
const weir_linear_kernel weir_linear_bf16_avx512 = {tile_bf16, TILE_ROWS, 1024, 0};
