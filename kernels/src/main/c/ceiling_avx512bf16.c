#include <immintrin.h>

#include "ceiling.h"

#define CHAINS 24

int64_t weir_flops_avx512bf16(int64_t rounds, float *sink) {
  __m512 sums[CHAINS];
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00), y = (__m512bh)_mm512_set1_epi32(0x3f803f80); // 0.5, 1
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_set1_ps((float)i);
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], x, y);
  }
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) *sink += _mm512_cvtss_f32(sums[i]);
  return rounds * CHAINS * 32 * 2;
}
