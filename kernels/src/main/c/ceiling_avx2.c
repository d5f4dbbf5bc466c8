#include <immintrin.h>

#include "ceiling.h"

uint64_t weir_read_avx2(const void *memory, int64_t bytes) {
  const __m256i *from = memory;
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (int64_t i = 0; i < bytes / 32; i += 4) {
    a = _mm256_xor_si256(a, _mm256_load_si256(from + i));
    b = _mm256_xor_si256(b, _mm256_load_si256(from + i + 1));
    c = _mm256_xor_si256(c, _mm256_load_si256(from + i + 2));
    d = _mm256_xor_si256(d, _mm256_load_si256(from + i + 3));
  }
  uint64_t sums[4];
  _mm256_storeu_si256((__m256i *)sums, _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)));
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

// Enough chains to cover latency × throughput of any unit so far (5 cycles × 2 per cycle), fewer than registers.
#define CHAINS 12

int64_t weir_flops_avx2(int64_t rounds, float *sink) {
  __m256 sums[CHAINS];
  __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1.0f);
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm256_set1_ps((float)i);
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) sums[i] = _mm256_fmadd_ps(sums[i], x, y);
  }
#pragma GCC unroll 32
  for (int i = 0; i < CHAINS; i++) *sink += _mm256_cvtss_f32(sums[i]);
  return rounds * CHAINS * 8 * 2;
}
