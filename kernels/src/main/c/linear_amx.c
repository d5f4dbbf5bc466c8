// BF16 on the AMX matrix unit. A step is 32 of K: one TDPBF16PS takes it for 16 tokens × 16 outputs, with the pairs
// in ascending order inside the instruction and the steps in ascending order outside, so an element's sum has the
// same order in both shapes below and with any number of tokens.
//
//   up to 16 tokens: 1 × 2 tiles of sums
//   up to 32 tokens: 2 × 2 tiles of sums: every tile that is loaded is used twice
#include "linear.h"
#include "tiles.h"

#define TILE_TOKENS 16
#define DEPTH 32                   // of K per tile
#define TILE_BYTES 64              // of one row of a tile
#define PAIR_BYTES (PANEL * 4)     // one pair of K in a panel: the row stride of a weight tile
#define STEP_BYTES (DEPTH / 2 * PAIR_BYTES)
#define PREFETCH_BYTES (4 * STEP_BYTES) // how far ahead of its use a panel's stream is asked for

// The tokens of the tile call that this thread's tiles are configured for; 0 for none. LDTILECFG costs a good part of a
// tile call, and most calls of a chunk have the same shape.
static _Thread_local int configured_tokens;

static void configure(int tokens, const int *rows) {
  if (configured_tokens == tokens) return;
  configured_tokens = tokens;
  tile_config config = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    config.rows[tile] = (uint8_t)rows[tile];
    config.row_bytes[tile] = rows[tile] ? TILE_BYTES : 0; // LDTILECFG wants both zero or neither
  }
  TILE_CONFIGURE(&config);
}

static void prefetch_step(const char *b) {
  for (int line = 0; line < STEP_BYTES; line += 64) TILE_PREFETCH(b + PREFETCH_BYTES + line);
}

static void narrow(const char *a, int64_t a_stride, int rows, const char *b, int64_t depth, float *c, int64_t c_stride,
                   int pass) {
  // Tiles 0, 1: sums; 4: tokens; 6, 7: weights.
  configure(rows, (int[8]){rows, rows, 0, 0, rows, 0, 16, 16});
  int64_t stride = c_stride * 4;
  if (pass & WEIR_ACCUMULATE) {
    TILE_LOAD(0, c, stride);
    TILE_LOAD(1, c + 16, stride);
  } else {
    TILE_ZERO(0);
    TILE_ZERO(1);
  }
  for (int64_t k = 0; k < depth; k += DEPTH, a += TILE_BYTES, b += STEP_BYTES) {
    if (pass & WEIR_STREAM) prefetch_step(b);
    TILE_LOAD(4, a, a_stride);
    TILE_LOAD(6, b, PAIR_BYTES);
    TILE_DOT_BF16(0, 4, 6);
    TILE_LOAD(7, b + 64, PAIR_BYTES);
    TILE_DOT_BF16(1, 4, 7);
  }
  TILE_STORE(0, c, stride);
  TILE_STORE(1, c + 16, stride);
}

static void wide(const char *a, int64_t a_stride, int rows, const char *b, int64_t depth, float *c, int64_t c_stride,
                 int pass) {
  // Tiles 0, 1: sums of the upper 16 tokens; 2, 3: of the rest; 4, 5: tokens; 6, 7: weights.
  int lower = rows - TILE_TOKENS;
  configure(rows, (int[8]){16, 16, lower, lower, 16, lower, 16, 16});
  int64_t stride = c_stride * 4;
  const char *a_lower = a + TILE_TOKENS * a_stride;
  float *c_lower = c + TILE_TOKENS * c_stride;
  if (pass & WEIR_ACCUMULATE) {
    TILE_LOAD(0, c, stride);
    TILE_LOAD(1, c + 16, stride);
    TILE_LOAD(2, c_lower, stride);
    TILE_LOAD(3, c_lower + 16, stride);
  } else {
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
  }
  for (int64_t k = 0; k < depth; k += DEPTH, a += TILE_BYTES, a_lower += TILE_BYTES, b += STEP_BYTES) {
    TILE_LOAD(6, b, PAIR_BYTES);
    TILE_LOAD(4, a, a_stride);
    TILE_DOT_BF16(0, 4, 6);
    TILE_LOAD(7, b + 64, PAIR_BYTES);
    TILE_DOT_BF16(1, 4, 7);
    TILE_LOAD(5, a_lower, a_stride);
    TILE_DOT_BF16(2, 5, 6);
    TILE_DOT_BF16(3, 5, 7);
  }
  TILE_STORE(0, c, stride);
  TILE_STORE(1, c + 16, stride);
  TILE_STORE(2, c_lower, stride);
  TILE_STORE(3, c_lower + 16, stride);
}

static void tile_bf16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                      int64_t c_stride, int pass) {
  if (rows <= TILE_TOKENS) {
    narrow(a, a_stride, rows, b, depth, c, c_stride, pass);
  } else {
    wide(a, a_stride, rows, b, depth, c, c_stride, pass);
  }
}

// So that a switch of threads does not carry 8 KiB of tiles along.
static void release(void) {
  configured_tokens = 0;
  TILE_RELEASE();
}

// A block of 512 of K is 32 KiB of a panel: it stays in a 48 KiB first-level cache while the tokens pass.
#if defined(WEIR_EMULATE_TILES)
const weir_linear_kernel weir_linear_bf16_amx_emulated = {tile_bf16, 2 * TILE_TOKENS, 512, 1, release};
#else
const weir_linear_kernel weir_linear_bf16_amx = {tile_bf16, 2 * TILE_TOKENS, 512, 1, release};
#endif
