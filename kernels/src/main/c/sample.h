// Memory formats of sample, as dev.weir.kernels.SampleLayout describes them.
#pragma once

#include "weir.h"

#define MAX_LOGPROBS 20
#define NO_TOKEN (-1)

typedef struct {
  float temperature;
  float top_p;
  float min_p;
  int32_t top_k;
  float repetition;
  float presence;
  float frequency;
  int32_t logprobs;
  uint64_t seed;
  int32_t position;
  int32_t bias_offset;
  int32_t bias_count;
  int32_t penalty_offset;
  int32_t penalty_count;
  int32_t mask_offset;
} weir_sample_parameters;
_Static_assert(sizeof(weir_sample_parameters) == 64, "SampleLayout.ROW_BYTES");

typedef struct {
  int32_t token;
  float logprob;
  int32_t top_tokens[MAX_LOGPROBS];
  float top_logprobs[MAX_LOGPROBS];
  char padding[24];
} weir_sample_result;
_Static_assert(sizeof(weir_sample_result) == 192, "SampleLayout.RESULT_BYTES");

typedef struct {
  int32_t token;
  union {
    float bias;
    int32_t occurrences;
  };
} weir_sample_pair;

// Logits whose sum of weights is kept, so that a draw looks into one block only.
#define SAMPLE_BLOCK 1024

// Where more candidates are kept than are worth ordering, they are counted by their distance from the largest logit,
// in so many buckets over so many units of logit / temperature; the last bucket takes what is farther. At that
// distance a token has 1e-10 of the largest weight.
#define SAMPLE_BUCKETS 4096
#define SAMPLE_BUCKETS_RANGE 24.0f

typedef struct {
  double sum; // of weights
  int64_t count;
} weir_sample_bucket;

// What one row needs of its worker.
typedef struct {
  uint64_t *candidates; // [vocabulary]
  weir_sample_bucket *buckets; // [SAMPLE_BUCKETS]
  double *block_sums;   // [ceil(vocabulary / SAMPLE_BLOCK)]
  float *before;        // [bias_count + penalty_count], the listed tokens' raw logits
} weir_sample_scratch;

typedef void weir_sample_row_fn(const weir_sample_parameters *row, int64_t vocabulary, float *logits,
                                const weir_sample_pair *biases, const weir_sample_pair *penalties,
                                const uint32_t *masks, const weir_sample_scratch *scratch,
                                weir_sample_result *result);

weir_sample_row_fn weir_sample_row_portable;
#if defined(__x86_64__)
weir_sample_row_fn weir_sample_row_avx2, weir_sample_row_avx512;
#endif
