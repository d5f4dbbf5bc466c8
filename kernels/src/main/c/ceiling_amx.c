#include "ceiling.h"
#include "tiles.h"

int64_t weir_flops_amx(int64_t rounds, float *sink) {
  static const uint16_t zeros[16 * 32];
  tile_config config = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = 64;
  }
  TILE_CONFIGURE(&config);
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  TILE_LOAD(4, zeros, 64);
  TILE_LOAD(5, zeros, 64);
  TILE_LOAD(6, zeros, 64);
  TILE_LOAD(7, zeros, 64);
  for (int64_t round = 0; round < rounds; round++) {
    TILE_DOT_BF16(0, 4, 6);
    TILE_DOT_BF16(1, 4, 7);
    TILE_DOT_BF16(2, 5, 6);
    TILE_DOT_BF16(3, 5, 7);
  }
  float sums[16 * 16];
  TILE_STORE(0, sums, 64);
  TILE_RELEASE();
  *sink += sums[0];
  return rounds * 4 * 16 * 16 * 32 * 2;
}
