// One vector of floats of the level that a file is compiled for, with the few operations that the ops need. Arithmetic
// is by operators (they are GCC vectors); nothing contracts, and nothing depends on where a row starts.
#pragma once

#include <stdint.h>
#include <string.h>

#define VEC_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#include <immintrin.h>
#define VEC_LANES 16
typedef __m512 vec;

VEC_INLINE vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
VEC_INLINE void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
VEC_INLINE vec vec_load_part(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
VEC_INLINE void vec_store_part(float *p, vec a, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a); }
VEC_INLINE vec vec_set1(float a) { return _mm512_set1_ps(a); }
VEC_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
// A NaN in b is kept.
VEC_INLINE vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
VEC_INLINE vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
// a < b ? x : y
VEC_INLINE vec vec_if_less(vec a, vec b, vec x, vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
VEC_INLINE int vec_any_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0; }
// 2^n for whole n from -126 to 128, which gives infinity.
VEC_INLINE vec vec_exp2_whole(vec n) {
  __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
VEC_INLINE vec vec_round(vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// The lower and the upper half of every 32-bit word, as BF16, widened.
VEC_INLINE vec vec_bf16_low(vec words) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(words), 16));
}
VEC_INLINE vec vec_bf16_high(vec words) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(words), _mm512_set1_epi32((int)0xffff0000)));
}

#elif defined(__AVX2__)

#include <immintrin.h>
#define VEC_LANES 8
typedef __m256 vec;

VEC_INLINE __m256i vec_first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
VEC_INLINE vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
VEC_INLINE void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
VEC_INLINE vec vec_load_part(const float *p, int n) { return _mm256_maskload_ps(p, vec_first(n)); }
VEC_INLINE void vec_store_part(float *p, vec a, int n) { _mm256_maskstore_ps(p, vec_first(n), a); }
VEC_INLINE vec vec_set1(float a) { return _mm256_set1_ps(a); }
VEC_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
VEC_INLINE vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
VEC_INLINE vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
VEC_INLINE vec vec_if_less(vec a, vec b, vec x, vec y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
VEC_INLINE int vec_any_less(vec a, vec b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) != 0; }
VEC_INLINE vec vec_exp2_whole(vec n) {
  __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
VEC_INLINE vec vec_round(vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VEC_INLINE vec vec_bf16_low(vec words) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 16));
}
VEC_INLINE vec vec_bf16_high(vec words) {
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(words), _mm256_set1_epi32((int)0xffff0000)));
}

#else

#define VEC_LANES 4
typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_bits __attribute__((vector_size(16)));

VEC_INLINE vec vec_load(const float *p) {
  vec a;
  memcpy(&a, p, sizeof a);
  return a;
}
VEC_INLINE void vec_store(float *p, vec a) { memcpy(p, &a, sizeof a); }
VEC_INLINE vec vec_load_part(const float *p, int n) {
  vec a = {0, 0, 0, 0};
  for (int i = 0; i < n; i++) a[i] = p[i];
  return a;
}
VEC_INLINE void vec_store_part(float *p, vec a, int n) {
  for (int i = 0; i < n; i++) p[i] = a[i];
}
VEC_INLINE vec vec_set1(float a) { return (vec){a, a, a, a}; }
VEC_INLINE vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
VEC_INLINE vec vec_select(vec_bits mask, vec x, vec y) { return (vec)((mask & (vec_bits)x) | (~mask & (vec_bits)y)); }
VEC_INLINE vec vec_max(vec a, vec b) { return vec_select(a > b, a, b); }
VEC_INLINE vec vec_min(vec a, vec b) { return vec_select(a < b, a, b); }
VEC_INLINE vec vec_if_less(vec a, vec b, vec x, vec y) { return vec_select(a < b, x, y); }
VEC_INLINE int vec_any_less(vec a, vec b) {
  vec_bits less = a < b;
  return (less[0] | less[1] | less[2] | less[3]) != 0;
}
VEC_INLINE vec vec_exp2_whole(vec n) {
  // Through an integer only where it is one: a NaN has no value as an integer.
  vec_bits whole = __builtin_convertvector((vec)((n == n) & (vec_bits)n), vec_bits);
  return (vec)((whole + 127) << 23);
}
// By the sum that has no room for a fraction: right for magnitudes below 2^22.
VEC_INLINE vec vec_round(vec a) { return (a + 0x1.8p23f) - 0x1.8p23f; }
VEC_INLINE vec vec_bf16_low(vec words) { return (vec)((vec_bits)words << 16); }
VEC_INLINE vec vec_bf16_high(vec words) { return (vec)((vec_bits)words & (int32_t)0xffff0000); }

#endif

VEC_INLINE vec vec_zero(void) { return vec_set1(0); }

// The sum and the largest of the lanes, as a tree: halves are added to, or compared with, halves.
#if defined(__AVX2__)

#if defined(__AVX512F__)
#define VEC_FOLD_512(operation, a) \
  _mm256_##operation##_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1))
#else
#define VEC_FOLD_512(operation, a) (a)
#endif

#define VEC_FOLD(name, operation)                                                               \
  VEC_INLINE float name(vec a) {                                                                \
    __m256 eight = VEC_FOLD_512(operation, a);                                                  \
    __m128 four = _mm_##operation##_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1)); \
    __m128 two = _mm_##operation##_ps(four, _mm_movehl_ps(four, four));                         \
    return _mm_cvtss_f32(_mm_##operation##_ss(two, _mm_movehdup_ps(two)));                      \
  }

VEC_FOLD(vec_sum, add)
VEC_FOLD(vec_largest, max)

#else

VEC_INLINE float vec_sum(vec a) { return (a[0] + a[2]) + (a[1] + a[3]); }

VEC_INLINE float vec_largest(vec a) {
  float even = a[0] > a[2] ? a[0] : a[2];
  float odd = a[1] > a[3] ? a[1] : a[3];
  return even > odd ? even : odd;
}

#endif

// exp, to 2 units in the last place from -87.3 to 88.3; 0 below (where results would be denormal), infinity above; a
// NaN stays one. By 2^n * e^r with |r| <= ln(2)/2, and the Taylor series of e^r, whose 9th term is below half a unit.
VEC_INLINE vec vec_exp(vec x) {
  const vec lowest = vec_set1(-87.3f);
  vec inside = vec_max(lowest, vec_min(vec_set1(89.0f), x));
  vec n = vec_round(inside * vec_set1(0x1.715476p+0f)); // 1/ln(2)
  // ln(2) in two parts, the first with zeros at the end, so that its product with n is exact.
  vec r = vec_fma(n, vec_set1(-0x1.62e400p-1f), inside);
  r = vec_fma(n, vec_set1(-0x1.7f7d1cp-20f), r);
  vec p = vec_set1(1.0f / 5040);
  p = vec_fma(p, r, vec_set1(1.0f / 720));
  p = vec_fma(p, r, vec_set1(1.0f / 120));
  p = vec_fma(p, r, vec_set1(1.0f / 24));
  p = vec_fma(p, r, vec_set1(1.0f / 6));
  p = vec_fma(p, r, vec_set1(0.5f));
  p = vec_fma(p, r, vec_set1(1.0f));
  p = vec_fma(p, r, vec_set1(1.0f));
  return vec_if_less(x, lowest, vec_zero(), p * vec_exp2_whole(n));
}

VEC_INLINE float vec_exp1(float x) { return vec_exp(vec_set1(x))[0]; }

// tanh, to 2^-22 absolute.
VEC_INLINE vec vec_tanh(vec x) {
  const vec one = vec_set1(1);
  return one - vec_set1(2) / (vec_exp(x + x) + one);
}
