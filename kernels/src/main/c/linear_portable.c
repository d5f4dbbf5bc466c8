// Tile kernels in plain C: multiply, then add; k ascending. The compiler may run outputs side by side, nothing else.
#include "convert.h"
#include "linear.h"

static void start(float *sums, const float *c, int pass) {
  for (int n = 0; n < PANEL; n++) sums[n] = pass & WEIR_ACCUMULATE ? c[n] : 0;
}

static void finish(const float *sums, float *c) {
  for (int n = 0; n < PANEL; n++) c[n] = sums[n];
}

static void tile_f32(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int pass) {
  for (int r = 0; r < rows; r++) {
    const float *x = (const float *)((const char *)a + r * a_stride);
    const float *w = b;
    float sums[PANEL];
    start(sums, c + r * c_stride, pass);
    for (int64_t k = 0; k < depth; k++, w += PANEL) {
      for (int n = 0; n < PANEL; n++) sums[n] += x[k] * w[n];
    }
    finish(sums, c + r * c_stride);
  }
}

static void tile_f16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                     int64_t c_stride, int pass) {
  for (int r = 0; r < rows; r++) {
    const float *x = (const float *)((const char *)a + r * a_stride);
    const uint16_t *w = b;
    float sums[PANEL];
    start(sums, c + r * c_stride, pass);
    for (int64_t k = 0; k < depth; k++, w += PANEL) {
      for (int n = 0; n < PANEL; n++) sums[n] += x[k] * weir_f16_to_f32(w[n]);
    }
    finish(sums, c + r * c_stride);
  }
}

static void tile_bf16(const void *a, int64_t a_stride, int rows, const void *b, int64_t depth, float *c,
                      int64_t c_stride, int pass) {
  for (int r = 0; r < rows; r++) {
    const float *x = (const float *)((const char *)a + r * a_stride);
    const uint16_t *w = b;
    float sums[PANEL];
    start(sums, c + r * c_stride, pass);
    int64_t k = 0;
    for (; k + 1 < depth; k += 2, w += 2 * PANEL) {
      for (int n = 0; n < PANEL; n++) {
        sums[n] += x[k] * weir_bf16_to_f32(w[2 * n]);
        sums[n] += x[k + 1] * weir_bf16_to_f32(w[2 * n + 1]);
      }
    }
    if (k < depth) {
      for (int n = 0; n < PANEL; n++) sums[n] += x[k] * weir_bf16_to_f32(w[2 * n]);
    }
    finish(sums, c + r * c_stride);
  }
}

// Steps of K per block: 64 KiB of a panel, half of a small second-level cache.
const weir_linear_kernel weir_linear_f32_portable = {tile_f32, 8, 512, 0, NULL};
const weir_linear_kernel weir_linear_f16_portable = {tile_f16, 8, 1024, 0, NULL};
const weir_linear_kernel weir_linear_bf16_portable = {tile_bf16, 8, 1024, 0, NULL};
