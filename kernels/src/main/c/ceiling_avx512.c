#include <immintrin.h>

#include "ceiling.h"

uint64_t weir_read_avx512(const void *memory, int64_t bytes) {
  const char *from = memory;
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (int64_t i = 0; i < bytes; i += 256) {
    a = _mm512_xor_si512(a, _mm512_load_si512(from + i));
    b = _mm512_xor_si512(b, _mm512_load_si512(from + i + 64));
    c = _mm512_xor_si512(c, _mm512_load_si512(from + i + 128));
    d = _mm512_xor_si512(d, _mm512_load_si512(from + i + 192));
  }
  return (uint64_t)_mm512_reduce_add_epi64(_mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)));
}

#define CHAINS 24

int64_t weir_flops_avx512(int64_t rounds, float *sink) {
  __m512 sums[CHAINS];
  __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1.0f);
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_set1_ps((float)i);
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_fmadd_ps(sums[i], x, y);
  }
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) *sink += _mm512_cvtss_f32(sums[i]);
  return rounds * CHAINS * 16 * 2;
}
