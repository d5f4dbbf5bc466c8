// The linear family: packed weights, and the tile kernels that multiply by them.
//
// Packed form of a weight [N][K]: panels of 32 outputs, each one linear stream over K, rows past N zero:
//   F32, F16: [ceil(N/32)][K][32]
//   BF16:     [ceil(N/32)][K'/2][32][2], K' = K rounded up to 32, padded with zeros; the operand order of
//             vdpbf16ps and TDPBF16PS
//
// 32 outputs: two 512-bit vectors, so that 12 tokens fill the registers and up to 12 read the weights once; and two
// AMX tiles, so that 32 tokens × 32 outputs are 2 × 2 tiles of sums.
#pragma once

#include "weir.h"

#define PANEL 32
#define BF16_DEPTH_MULTIPLE 32

typedef enum {
  WEIR_ACCUMULATE = 1, // c holds the sum of the steps before
  WEIR_STREAM = 2,     // b comes from memory: no call before has just read it
} weir_pass;

// c[r][0…31] (+)= sum over k of a[r][k] * b[k][0…31], k ascending, one accumulator per element.
// a: rows of F32, or of BF16 padded to `depth` where the kernel converts; a_stride in bytes.
// b: `depth` steps of a panel. c_stride in floats. pass: a set of weir_pass.
typedef void weir_tile_fn(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                          int64_t c_stride, int pass);

typedef struct {
  weir_tile_fn *tile;
  int tile_rows;       // most tokens per call
  int depth_block;     // steps of K whose panel part stays in cache while the tokens pass
  int rounds_to_bf16;  // activations are rounded to BF16 first
  void (*end)(void);   // called by the thread that made tile calls, after the last of a chunk; or NULL
} weir_linear_kernel;

#define MAX_TILE_ROWS 32

// Rounds `count` values to BF16, nearest even.
typedef void weir_round_fn(const float *in, int64_t count, uint16_t *out);

extern const weir_linear_kernel weir_linear_f32_portable, weir_linear_f16_portable, weir_linear_bf16_portable;
extern const weir_linear_kernel weir_linear_bf16_amx_emulated;
#if defined(__x86_64__)
extern const weir_linear_kernel weir_linear_f32_avx2, weir_linear_f16_avx2, weir_linear_bf16_avx2;
extern const weir_linear_kernel weir_linear_f32_avx512, weir_linear_f16_avx512, weir_linear_bf16_avx512;
extern const weir_linear_kernel weir_linear_bf16_avx512bf16, weir_linear_bf16_amx;
weir_round_fn weir_round_avx512bf16;
#endif
