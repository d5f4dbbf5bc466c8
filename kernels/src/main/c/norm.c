// addRmsNorm and gatherAddRmsNorm: one chunk per row.
#include "norm.h"

static weir_norm_row_fn *choose_row(const weir_device *device) {
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX512) return weir_norm_row_avx512;
  if (device->isa >= WEIR_AVX2) return weir_norm_row_avx2;
#endif
  (void)device;
  return weir_norm_row_portable;
}

typedef struct {
  weir_norm_row_fn *row;
  int64_t dim;
  float *residual;
  const float *delta;
  const float *weight;
  float epsilon;
  float *out;
  const int32_t *rows; // NULL: every row, and the residual is updated
} norm_job;

static void norm_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const norm_job *job = context;
  int64_t from = (job->rows ? job->rows[chunk] : chunk) * job->dim;
  float *residual = job->residual + from;
  const float *delta = job->delta ? job->delta + from : NULL;
  job->row(residual, delta, delta && !job->rows ? residual : NULL, job->weight, job->epsilon, job->dim,
           job->out + chunk * job->dim);
}

// delta may be NULL.
WEIR_EXPORT int weir_add_rms_norm(weir_device *device, int64_t rows, int64_t dim, float *residual, const float *delta,
                                  const float *weight, float epsilon, float *out) {
  norm_job job = {choose_row(device), dim, residual, delta, weight, epsilon, out, NULL};
  weir_parallel_for_work(device, rows * dim * 4, rows, norm_chunk, &job);
  return WEIR_OK;
}

// tokens: how many rows residual and delta have.
WEIR_EXPORT int weir_gather_add_rms_norm(weir_device *device, int64_t count, const int32_t *rows, int64_t tokens,
                                         int64_t dim, float *residual, const float *delta, const float *weight,
                                         float epsilon, float *out) {
  for (int64_t r = 0; r < count; r++) {
    if (rows[r] < 0 || rows[r] >= tokens) return WEIR_BAD_INDEX;
  }
  norm_job job = {choose_row(device), dim, residual, delta, weight, epsilon, out, rows};
  weir_parallel_for_work(device, count * dim * 4, count, norm_chunk, &job);
  return WEIR_OK;
}
