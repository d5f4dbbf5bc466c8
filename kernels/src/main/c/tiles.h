// The AMX instructions that we use: the real ones, or the same in plain C for machines without a matrix unit.
// Semantics from the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILELOADD,
// TILESTORED, TDPBF16PS.
#pragma once

#include <stdint.h>
#include <string.h>

// The memory operand of LDTILECFG, palette 1.
typedef struct {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

#if !defined(WEIR_EMULATE_TILES)

#include <immintrin.h>

// Not by its intrinsic, which tells some compilers that it reads the first 8 bytes alone.
#define TILE_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(config)))
#define TILE_RELEASE() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, base, stride) _tile_loadd(tile, base, stride)
#define TILE_STORE(tile, base, stride) _tile_stored(tile, base, stride)
#define TILE_DOT_BF16(sums, a, b) _tile_dpbf16ps(sums, a, b)
#define TILE_PREFETCH(address) _mm_prefetch(address, _MM_HINT_T0)

#else

#include <math.h>

#include "convert.h"

#define TILES 8
#define TILE_ROWS_MAX 16
#define TILE_ROW_BYTES_MAX 64

typedef struct {
  tile_config config;
  uint32_t data[TILES][TILE_ROWS_MAX][TILE_ROW_BYTES_MAX / 4];
} tile_state;

static _Thread_local tile_state emulated_tiles;

static inline void emulate_configure(const tile_config *config) {
  if (config->palette != 1) __builtin_trap();
  for (int tile = 0; tile < TILES; tile++) {
    if (config->rows[tile] > TILE_ROWS_MAX || config->row_bytes[tile] > TILE_ROW_BYTES_MAX) __builtin_trap();
  }
  memset(&emulated_tiles, 0, sizeof emulated_tiles);
  emulated_tiles.config = *config;
}

static inline int emulated_rows(int tile) {
  if (emulated_tiles.config.palette != 1 || emulated_tiles.config.rows[tile] == 0) __builtin_trap();
  return emulated_tiles.config.rows[tile];
}

static inline void emulate_zero(int tile) {
  emulated_rows(tile);
  memset(emulated_tiles.data[tile], 0, sizeof emulated_tiles.data[tile]);
}

static inline void emulate_load(int tile, const void *base, int64_t stride) {
  int rows = emulated_rows(tile);
  memset(emulated_tiles.data[tile], 0, sizeof emulated_tiles.data[tile]);
  for (int row = 0; row < rows; row++) {
    memcpy(emulated_tiles.data[tile][row], (const char *)base + row * stride, emulated_tiles.config.row_bytes[tile]);
  }
}

static inline void emulate_store(int tile, void *base, int64_t stride) {
  int rows = emulated_rows(tile);
  for (int row = 0; row < rows; row++) {
    memcpy((char *)base + row * stride, emulated_tiles.data[tile][row], emulated_tiles.config.row_bytes[tile]);
  }
}

// Denormals are zero, on the way in and on the way out.
static inline float flush(float value) {
  uint32_t bits = weir_f32_to_bits(value);
  return (bits & 0x7f800000) == 0 ? weir_bits_to_f32(bits & 0x80000000) : value;
}

// The product of two BF16 is exact in binary64, so one rounding of the sum there and one to binary32 would be a
// double rounding; fmaf rounds once, as the unit does.
static inline float emulated_fma(float sum, float a, float b) {
  return flush(fmaf(flush(a), flush(b), flush(sum)));
}

static inline void emulate_dot_bf16(int sums, int a, int b) {
  int rows = emulated_rows(sums);
  int pairs = emulated_tiles.config.row_bytes[a] / 4;
  int columns = emulated_tiles.config.row_bytes[sums] / 4;
  if (rows != emulated_rows(a) || pairs != emulated_rows(b) ||
      columns != emulated_tiles.config.row_bytes[b] / 4) {
    __builtin_trap();
  }
  for (int row = 0; row < rows; row++) {
    for (int n = 0; n < columns; n++) {
      float even = 0;
      float odd = 0;
      for (int k = 0; k < pairs; k++) {
        uint32_t x = emulated_tiles.data[a][row][k];
        uint32_t w = emulated_tiles.data[b][k][n];
        even = emulated_fma(even, weir_bits_to_f32(x << 16), weir_bits_to_f32(w << 16));
        odd = emulated_fma(odd, weir_bits_to_f32(x & 0xffff0000), weir_bits_to_f32(w & 0xffff0000));
      }
      float sum = flush(weir_bits_to_f32(emulated_tiles.data[sums][row][n]));
      emulated_tiles.data[sums][row][n] = weir_f32_to_bits(flush(sum + flush(even + odd)));
    }
  }
}

#define TILE_CONFIGURE(config) emulate_configure(config)
#define TILE_RELEASE() memset(&emulated_tiles, 0, sizeof emulated_tiles)
#define TILE_ZERO(tile) emulate_zero(tile)
#define TILE_LOAD(tile, base, stride) emulate_load(tile, base, stride)
#define TILE_STORE(tile, base, stride) emulate_store(tile, base, stride)
#define TILE_DOT_BF16(sums, a, b) emulate_dot_bf16(sums, a, b)
#define TILE_PREFETCH(address) __builtin_prefetch(address)

#endif
