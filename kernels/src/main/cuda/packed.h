// The packed form of a weight [N][K] of 16-bit elements, shared by embed and linear.
//
//   [N'/16][K'/32][16][32]: tiles of 16 outputs × 32 inputs, row-major, 1 KB each; N' = N rounded up to 128, K' = K
//   rounded up to 64, padded with zeros.
//
// Half a tile, 8 rows × 64 bytes, is what a warp loads in one instruction of 16 bytes per lane: lane 4g+c gets inputs
// 8c…8c+7 of row g. Taken as two operands of m16n8k16, a lane then holds inputs 8c…8c+3 of the tile where the PTX ISA
// has 2c, 2c+1, 2c+8, 2c+9, and 8c+4…8c+7 in the second. That is a permutation of the sum's terms, and tokens loaded
// in the same way have the same: so both operands go from memory to registers in whole 16-byte words, and a row is
// still found in one piece per tile.
#pragma once

#include "vocabulary.h"

namespace weir {

constexpr int TILE_ROWS = 16;
constexpr int TILE_COLUMNS = 32;
constexpr int TILE_BYTES = TILE_ROWS * TILE_COLUMNS * 2;
constexpr int WORD_ELEMENTS = 8;     // of 16 bits in 16 bytes
constexpr int PACKED_OUTPUTS = 128;  // N' is a multiple of this
constexpr int PACKED_COLUMNS = 64;   // K' is a multiple of this

WEIR_DEVICE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

WEIR_DEVICE int64_t packed_tile_columns(int64_t columns) {
  return ceil_div(columns, PACKED_COLUMNS) * (PACKED_COLUMNS / TILE_COLUMNS);
}

// Byte offset of word `word` (8 inputs) of row `row`, in a weight of `tile_columns` tiles per row of tiles.
WEIR_DEVICE int64_t packed_offset(int64_t row, int64_t word, int64_t tile_columns) {
  constexpr int TILE_WORDS = TILE_COLUMNS / WORD_ELEMENTS;
  return (row / TILE_ROWS * tile_columns + word / TILE_WORDS) * TILE_BYTES +
         (row % TILE_ROWS * TILE_WORDS + word % TILE_WORDS) * 16;
}

// 8 elements at `row`, of which the first `count` exist; the others are zero. Any alignment.
WEIR_DEVICE Words4 gather_word(const uint16_t *row, int64_t count) {
  uint32_t words[4] = {};
#pragma unroll
  for (int i = 0; i < WORD_ELEMENTS; i++) {
    if (i < count) {
      words[i / 2] |= static_cast<uint32_t>(row[i]) << (16 * (i % 2));
    }
  }
  return Words4{words[0], words[1], words[2], words[3]};
}

} // namespace weir
