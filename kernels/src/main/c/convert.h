// Scalar conversions between the 16-bit float types and binary32; exact, or round to nearest even.
#pragma once

#include <stdint.h>
#include <string.h>

static inline float weir_bits_to_f32(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t weir_f32_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float weir_bf16_to_f32(uint16_t bits) { return weir_bits_to_f32((uint32_t)bits << 16); }

// A NaN stays one (quiet). A denormal becomes zero of its sign, as vcvtneps2bf16 has it.
static inline uint16_t weir_f32_to_bf16(float value) {
  uint32_t bits = weir_f32_to_bits(value);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
  if (magnitude < 0x00800000) return (uint16_t)((bits >> 16) & 0x8000);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Without a branch, so that loops over it become vectors: the half's exponent and mantissa, moved into place, are its
// magnitude times 2^-112, denormals included; infinities and NaNs get the exponent that says so.
static inline float weir_f16_to_f32(uint16_t half) {
  uint32_t magnitude = weir_f32_to_bits(weir_bits_to_f32((uint32_t)(half & 0x7fff) << 13) * 0x1p112f);
  uint32_t special = (half & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
  return weir_bits_to_f32((uint32_t)(half & 0x8000) << 16 | magnitude | special);
}
