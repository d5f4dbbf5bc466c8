// gatedActivation: rows in stretches, so that one long row is shared by threads.
#include "activation.h"

// A multiple of every vector length, so that an element is computed by the same instructions in any cut.
#define STRETCH 4096

// An exponential and a division: so many multiply-adds' worth.
#define WORK_PER_ELEMENT 8

typedef struct {
  weir_gated_row_fn *row;
  int64_t width;
  int64_t stretches;
  const float *gate_up;
  float *out;
} gated_job;

static void gated_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const gated_job *job = context;
  int64_t row = chunk / job->stretches;
  int64_t from = chunk % job->stretches * STRETCH;
  const float *gate = job->gate_up + row * 2 * job->width + from;
  job->row(gate, gate + job->width, weir_min(STRETCH, job->width - from), job->out + row * job->width + from);
}

WEIR_EXPORT int weir_gated_activation(weir_device *device, int64_t rows, int64_t width, const float *gate_up,
                                      float *out) {
  gated_job job = {weir_gated_row_portable, width, weir_ceil_div(width, STRETCH), gate_up, out};
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX512) {
    job.row = weir_gated_row_avx512;
  } else if (device->isa >= WEIR_AVX2) {
    job.row = weir_gated_row_avx2;
  }
#endif
  weir_parallel_for_work(device, rows * width * WORK_PER_ELEMENT, rows * job.stretches, gated_chunk, &job);
  return WEIR_OK;
}
