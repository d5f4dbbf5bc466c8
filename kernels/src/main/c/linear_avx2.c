// F32 arithmetic on 256-bit vectors: fused multiply-add, k ascending. Sixteen registers hold rows × vectors sums:
// up to three tokens take the panel's whole width, so that decode reads one stream; more take it in halves.
#include <immintrin.h>

#include "linear.h"

#define MAX_ROWS 6
#define MAX_VECTORS 4
#define LANES 8
#define PREFETCH_BYTES 2048

#define INLINE static inline __attribute__((always_inline))

INLINE void multiply_add(const int rows, const int vectors, const char *a, int64_t a_stride, int64_t k, const __m256 *w,
                         __m256 sums[MAX_ROWS][MAX_VECTORS]) {
  for (int r = 0; r < rows; r++) {
    __m256 x = _mm256_broadcast_ss((const float *)(a + r * a_stride + k * 4));
    for (int v = 0; v < vectors; v++) sums[r][v] = _mm256_fmadd_ps(x, w[v], sums[r][v]);
  }
}

INLINE void load_bf16_even(const char *b, const int vectors, __m256 *w) {
  for (int v = 0; v < vectors; v++) {
    w[v] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_load_si256((const __m256i *)(b + v * 32)), 16));
  }
}

INLINE void load_bf16_odd(const char *b, const int vectors, __m256 *w) {
  __m256i upper = _mm256_set1_epi32((int)0xffff0000);
  for (int v = 0; v < vectors; v++) {
    w[v] = _mm256_castsi256_ps(_mm256_and_si256(_mm256_load_si256((const __m256i *)(b + v * 32)), upper));
  }
}

// `vectors` × 8 outputs from output `first` on.
INLINE void part(const int rows, const int vectors, const int type, int first, const char *a, int64_t a_stride,
                 const char *b, int64_t depth, float *c, int64_t c_stride, int pass) {
  __m256 sums[MAX_ROWS][MAX_VECTORS];
  __m256 w[MAX_VECTORS];
  c += first;
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) {
      sums[r][v] = pass & WEIR_ACCUMULATE ? _mm256_loadu_ps(c + r * c_stride + v * LANES) : _mm256_setzero_ps();
    }
  }
  if (type == WEIR_BF16) {
    b += first * 4;
    int64_t k = 0;
    for (; k + 1 < depth; k += 2, b += PANEL * 4) {
      for (int v = 0; v < vectors; v += 2) _mm_prefetch(b + PREFETCH_BYTES + v * 32, _MM_HINT_T0);
      load_bf16_even(b, vectors, w);
      multiply_add(rows, vectors, a, a_stride, k, w, sums);
      load_bf16_odd(b, vectors, w);
      multiply_add(rows, vectors, a, a_stride, k + 1, w, sums);
    }
    if (k < depth) {
      load_bf16_even(b, vectors, w);
      multiply_add(rows, vectors, a, a_stride, k, w, sums);
    }
  } else if (type == WEIR_F32) {
    b += first * 4;
    for (int64_t k = 0; k < depth; k++, b += PANEL * 4) {
      for (int v = 0; v < vectors; v += 2) _mm_prefetch(b + PREFETCH_BYTES + v * 32, _MM_HINT_T0);
      for (int v = 0; v < vectors; v++) w[v] = _mm256_load_ps((const float *)b + v * LANES);
      multiply_add(rows, vectors, a, a_stride, k, w, sums);
    }
  } else {
    b += first * 2;
    for (int64_t k = 0; k < depth; k++, b += PANEL * 2) {
      for (int v = 0; v < vectors; v += 4) _mm_prefetch(b + PREFETCH_BYTES + v * 16, _MM_HINT_T0);
      for (int v = 0; v < vectors; v++) w[v] = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(b + v * 16)));
      multiply_add(rows, vectors, a, a_stride, k, w, sums);
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) _mm256_storeu_ps(c + r * c_stride + v * LANES, sums[r][v]);
  }
}

INLINE void parts(const int rows, const int vectors, const int type, const char *a, int64_t a_stride, const char *b,
                  int64_t depth, float *c, int64_t c_stride, int pass) {
  for (int first = 0; first < PANEL; first += vectors * LANES) {
    part(rows, vectors, type, first, a, a_stride, b, depth, c, c_stride, pass);
  }
}

INLINE void tile_of(const int type, const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                    int64_t c_stride, int pass) {
  switch (rows) {
  case 1: parts(1, 4, type, a, a_stride, b, depth, c, c_stride, pass); break;
  case 2: parts(2, 4, type, a, a_stride, b, depth, c, c_stride, pass); break;
  case 3: parts(3, 4, type, a, a_stride, b, depth, c, c_stride, pass); break;
  case 4: parts(4, 2, type, a, a_stride, b, depth, c, c_stride, pass); break;
  case 5: parts(5, 2, type, a, a_stride, b, depth, c, c_stride, pass); break;
  default: parts(6, 2, type, a, a_stride, b, depth, c, c_stride, pass); break;
  }
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

// Blocks of K whose part of a panel is 64 KiB, half of a small second-level cache.
const weir_linear_kernel weir_linear_f32_avx2 = {tile_f32, MAX_ROWS, 512, 0, NULL};
const weir_linear_kernel weir_linear_f16_avx2 = {tile_f16, MAX_ROWS, 1024, 0, NULL};
const weir_linear_kernel weir_linear_bf16_avx2 = {tile_bf16, MAX_ROWS, 1024, 0, NULL};
