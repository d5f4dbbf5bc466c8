// Where keys and values lie. Inside one layer of a block: the key tiles of all heads, then the value tiles.
//   F32:  keys [head_dim][64 tokens], values [64 tokens][head_dim]
//   BF16: keys [head_dim/2][64 tokens][2], values [64/2 tokens][head_dim][2]
// so that both products of attention stream a tile from its start to its end, 64 positions or head_dim columns to a
// step, and the BF16 form is the operand order of vdpbf16ps. Every tile has 64 * head_dim elements.
//
// Slots that no token was written to hold garbage in a key tile (their scores are masked) and zeros in a value tile
// (their weight is zero, and zero times garbage may be a NaN).
#pragma once

#include "weir.h"

#define TILE_TOKENS 64

// The largest head; dev.weir.kernels.StepChecks refuses more.
#define MAX_HEAD_DIM 256

typedef struct {
  char *memory;
  int64_t block_bytes;
  int64_t layer_bytes;
  int64_t layer;
  int type; // WEIR_F32 or WEIR_BF16
  int64_t kv_heads;
  int64_t head_dim;
} weir_cache;

static inline int64_t weir_tile_bytes(const weir_cache *cache) {
  return TILE_TOKENS * cache->head_dim * (cache->type == WEIR_F32 ? 4 : 2);
}

static inline char *weir_key_tile(const weir_cache *cache, int64_t block, int64_t kv_head) {
  return cache->memory + block * cache->block_bytes + cache->layer * cache->layer_bytes +
         kv_head * weir_tile_bytes(cache);
}

static inline char *weir_value_tile(const weir_cache *cache, int64_t block, int64_t kv_head) {
  return weir_key_tile(cache, block, kv_head + cache->kv_heads);
}

// What a step's slices are, as dev.weir.kernels.StepInputs has it.
typedef struct {
  const int32_t *positions;
  const int32_t *token_slices;
  const int32_t *slice_offsets;
  const int32_t *table_rows;
  const int32_t *table;
  int64_t table_width;
} weir_step;

static inline int64_t weir_block(const weir_step *step, int64_t slice, int64_t position) {
  return step->table[step->table_rows[slice] * step->table_width + position / TILE_TOKENS];
}

// Rotates element i of a head with element half + i.
typedef void weir_rotate_head_fn(float *head, const float *cosines, const float *sines, int64_t half);

// Rounds to BF16, as weir_f32_to_bf16 does.
typedef void weir_round_head_fn(const float *in, int64_t count, uint16_t *out);

weir_rotate_head_fn weir_rotate_head_portable;
weir_round_head_fn weir_round_head_portable;
#if defined(__x86_64__)
weir_rotate_head_fn weir_rotate_head_avx2, weir_rotate_head_avx512;
weir_round_head_fn weir_round_head_avx2, weir_round_head_avx512;
#endif
