// Memory formats of sample: SampleLayout's, and what its three launches leave each other.
#pragma once

#include "vocabulary.h"

namespace weir {

constexpr int SAMPLE_THREADS = 128;
constexpr int SAMPLE_WARPS = SAMPLE_THREADS / WARP;
constexpr int CHUNK = 2048;      // tokens of a block
constexpr int MAX_CHUNKS = 128;  // CudaSample.MAX_VOCABULARY tokens in all
constexpr int MAX_LOGPROBS = 20; // SampleLayout.MAX_LOGPROBS
constexpr int NO_TOKEN = -1;     // SampleLayout.NO_TOKEN

constexpr int WARP_TOKENS = CHUNK / SAMPLE_WARPS;
constexpr int LANE_TOKENS = CHUNK / SAMPLE_THREADS;
constexpr int QUAD = 4; // neighbours that a lane loads at once
constexpr int LANE_QUADS = LANE_TOKENS / QUAD;

// The largest raw logits of a row are among the MAX_LOGPROBS best of the MAX_LOGPROBS chunks with the best ones.
constexpr int MAX_TOPS = MAX_LOGPROBS * MAX_LOGPROBS;
constexpr int SORTED_TOPS = 512; // the power of two from there

// Buckets of the distance from the largest logit: 128 to the octave, from 1/8 to 32 and one at either end. Of a trained
// model's candidates a bucket near those that decide holds a handful, of normally distributed ones at most 2 %.
constexpr int BUCKETS = 1024;
constexpr int BUCKET_SHIFT = 23 - 7;
constexpr int FIRST_BUCKET = (127 - 3) << 7;

// The most candidates that are collected and ordered. Where more decide (equal logits, mostly), one block searches all
// of the row for the ones that do.
constexpr int MAX_CANDIDATES = 2048;
constexpr int SEARCH_BITS = 10; // of a candidate's 32 + 18, at a time
constexpr int SEARCH_LEVELS = 5;
static_assert(BUCKETS == 1 << SEARCH_BITS && MAX_CHUNKS == SAMPLE_THREADS, "");

constexpr uint64_t NO_CANDIDATE = ~0ull;
constexpr int WEIGHT_BITS = 44; // behind the point, so that the sum over a vocabulary stays below 2^63
constexpr uint64_t LARGEST_WEIGHT = 1ull << WEIGHT_BITS;
constexpr double LN_2 = 0.693147180559945309;
constexpr float BANNED = -__builtin_huge_valf();

struct SampleRow { // SampleLayout.ROW_BYTES
  float temperature, top_p, min_p;
  int32_t top_k;
  float repetition, presence, frequency;
  int32_t logprobs;
  uint64_t seed;
  int32_t position;
  int32_t bias_offset, bias_count, penalty_offset, penalty_count, mask_offset;
};
static_assert(sizeof(SampleRow) == 64, "SampleLayout.ROW_BYTES");

struct SampleResult { // SampleLayout.RESULT_BYTES
  int32_t token;
  float logprob;
  int32_t top_tokens[MAX_LOGPROBS];
  float top_logprobs[MAX_LOGPROBS];
  int32_t padding[6];
};
static_assert(sizeof(SampleResult) == 192, "SampleLayout.RESULT_BYTES");

struct SamplePair {
  int32_t token;
  uint32_t value; // a float's bits, or a count
};

struct SampleChunk {
  uint64_t best;       // candidate, after adjustment
  uint64_t raw_best;   // before it
  uint64_t raw_weight; // sum at temperature 1, relative to raw_best
  uint64_t weight;     // sum, relative to the best of the row
};

enum SampleDecision : int32_t { DECIDED, COLLECT, SEARCH };

// What decides a filtered row, as far as the histogram tells.
struct SamplePlan {
  int32_t decision;
  int32_t candidates; // to collect
  int32_t limit;      // how many candidates top-k and min-p keep
  int32_t part;       // how many of these are in the last bucket they reach, if not all of it, else 0
  int32_t last;       // that bucket
  int32_t prefix_first, prefix_last; // buckets in which top-p may cut; none if the first is behind the last
  int32_t drawn_first, drawn_last;   // buckets in which the drawn token may be
  float max;
  uint64_t weight; // of all that is kept; without that bucket, if `part` is not 0
};

// CudaSample.ROW_SCRATCH_BYTES for each row.
struct SampleScratch {
  SampleChunk chunks[MAX_CHUNKS];
  uint64_t weights[BUCKETS];
  int32_t counts[BUCKETS];
  uint64_t tops[MAX_TOPS];
  uint64_t candidates[MAX_CANDIDATES];
  SamplePlan plan;
  double log_sum; // of the raw logits' exponentials
  int32_t top_count, candidate_count;
  int32_t above_min_p;
  int32_t weighed, chosen; // blocks that are done
  int32_t padding[13];
};
static_assert(sizeof(SampleScratch) == 36096, "CudaSample.ROW_SCRATCH_BYTES");

struct SampleArguments {
  const int32_t *counts; // T, S, R; null: every row of the launch is there
  const float *logits;   // [rows][vocabulary]
  const SampleRow *rows;
  const SamplePair *biases;
  const SamplePair *penalties;
  const uint32_t *masks;
  SampleResult *results;
  SampleScratch *scratch; // [rows of the launch]
  int64_t vocabulary;
  int64_t first_row; // of the launch
};

} // namespace weir
