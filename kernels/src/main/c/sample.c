// sample: one chunk per row.
#include "sample.h"

typedef struct {
  weir_sample_row_fn *row;
  int64_t vocabulary;
  float *logits;
  const weir_sample_parameters *parameters;
  const weir_sample_pair *biases;
  const weir_sample_pair *penalties;
  const uint32_t *masks;
  weir_sample_result *results;
  char *workers;
  int64_t worker_bytes;
  int64_t buckets_offset;
  int64_t sums_offset;
  int64_t before_offset;
} sample_job;

static void sample_chunk(void *context, int64_t row, int worker) {
  const sample_job *job = context;
  char *memory = job->workers + worker * job->worker_bytes;
  weir_sample_scratch scratch = {
      .candidates = (uint64_t *)memory,
      .buckets = (weir_sample_bucket *)(memory + job->buckets_offset),
      .block_sums = (double *)(memory + job->sums_offset),
      .before = (float *)(memory + job->before_offset),
  };
  job->row(&job->parameters[row], job->vocabulary, job->logits + row * job->vocabulary, job->biases, job->penalties,
           job->masks, &scratch, &job->results[row]);
}

// Offsets, counts and ranges of the parameters were checked before the call; tokens are checked here.
WEIR_EXPORT int weir_sample(weir_device *device, int64_t rows, int64_t vocabulary, float *logits,
                            const weir_sample_parameters *parameters, const weir_sample_pair *biases,
                            const weir_sample_pair *penalties, const uint32_t *masks, weir_sample_result *results) {
  int64_t listed = 0;
  for (int64_t r = 0; r < rows; r++) {
    int64_t count = (int64_t)parameters[r].bias_count + parameters[r].penalty_count;
    if (count > listed) listed = count;
  }
  sample_job job = {
      .row = weir_sample_row_portable,
      .vocabulary = vocabulary,
      .logits = logits,
      .parameters = parameters,
      .biases = biases,
      .penalties = penalties,
      .masks = masks,
      .results = results,
  };
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX512) {
    job.row = weir_sample_row_avx512;
  } else if (device->isa >= WEIR_AVX2) {
    job.row = weir_sample_row_avx2;
  }
#endif
  job.buckets_offset = vocabulary * (int64_t)sizeof(uint64_t);
  job.sums_offset = job.buckets_offset + SAMPLE_BUCKETS * (int64_t)sizeof(weir_sample_bucket);
  job.before_offset = job.sums_offset + weir_ceil_div(vocabulary, SAMPLE_BLOCK) * (int64_t)sizeof(double);
  job.worker_bytes = weir_round_up(job.before_offset + listed * (int64_t)sizeof(float), 64);
  job.workers = weir_scratch(device, (size_t)(job.worker_bytes * weir_threads(device)));
  if (!job.workers) return WEIR_NO_MEMORY;
  weir_parallel_for_work(device, rows * vocabulary, rows, sample_chunk, &job);
  return WEIR_OK;
}
