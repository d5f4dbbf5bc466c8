// Rotation and rounding of one head: plain loops, for the compiler to vectorise.
#include "cache.h"
#include "convert.h"

void WEIR_LEVEL(weir_rotate_head)(float *head, const float *restrict cosines, const float *restrict sines,
                                  int64_t half) {
  float *restrict low = head;
  float *restrict high = head + half;
  for (int64_t i = 0; i < half; i++) {
    float a = low[i], b = high[i];
    low[i] = a * cosines[i] - b * sines[i];
    high[i] = b * cosines[i] + a * sines[i];
  }
}

// weir_f32_to_bf16 without its branches.
void WEIR_LEVEL(weir_round_head)(const float *restrict in, int64_t count, uint16_t *restrict out) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits = weir_f32_to_bits(in[i]);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
    rounded = magnitude < 0x00800000 ? bits & 0x80000000 : rounded;
    rounded = magnitude > 0x7f800000 ? bits | 0x400000 : rounded;
    out[i] = (uint16_t)(rounded >> 16);
  }
}
