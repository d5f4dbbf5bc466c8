// What the attention kernels of every level do with one tile of 64 positions and up to BLOCK_ROWS query rows.
#pragma once

#include "cache.h"
#include "weir.h"

// Query rows (a token's head each) that pass a tile together while it is in the cache; a multiple of what the kernels
// hold in registers (6, 4, 3 and 2) and of the usual sizes of a head group.
#define BLOCK_ROWS 48

// Positions whose state is computed by itself and then folded: dev.weir.kernels.AttentionShape.SEGMENT_TOKENS.
#define SEGMENT_TOKENS 1024

// A row of sums: head_dim rounded up to whole vectors of the widest level.
#define STATE_MULTIPLE 16

// A softmax-weighted sum under way, of `rows` rows.
typedef struct {
  float *largest; // [rows], minus infinity where nothing was seen
  float *sum;     // [rows], of the weights
  float *values;  // [rows][state_stride]
} weir_softmax_state;

// One unit: rows of one slice that read the same key/value head.
typedef struct {
  int rows;
  int64_t head_dim;
  int64_t state_stride;
  float scale;
  float soft_cap;     // 0: none
  int64_t window;
  const int32_t *row_positions; // [rows], ascending
  // Of the worker: queries in the kernel's own form, scores or weights, corrections.
  void *queries;      // [rows][head_dim]
  float *scores;      // [rows][64]
  void *weights;      // [rows][64], BF16 where the kernel multiplies BF16; else the scores' memory
  float *corrections; // [rows]
} weir_attention_rows;

typedef struct {
  // Rounds a query if the kernel multiplies rounded ones.
  void (*prepare)(const float *query, int64_t head_dim, void *out, int64_t row);
  // Folds the tile at position `start` into the state; asks for the keys of the tile that comes next.
  void (*tile)(const weir_attention_rows *rows, const void *keys, const void *values, const void *next_keys,
               int64_t start, weir_softmax_state *state);
  // Folds `from` into `into`, row by row; rows that saw nothing are left alone.
  void (*fold)(int rows, int64_t state_stride, const weir_softmax_state *from, weir_softmax_state *into);
} weir_attention_kernel;

extern const weir_attention_kernel weir_attention_f32_portable, weir_attention_bf16_portable;
#if defined(__x86_64__)
extern const weir_attention_kernel weir_attention_f32_avx2, weir_attention_bf16_avx2;
extern const weir_attention_kernel weir_attention_f32_avx512, weir_attention_bf16_avx512;
extern const weir_attention_kernel weir_attention_bf16_avx512bf16;
#endif
