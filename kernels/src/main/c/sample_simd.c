// Sampling of one row, step by step as SampleLayout has it. Passes over the vocabulary are vectors; what must be
// ordered is found by a heap of the best so far, so that a sort touches candidates only.
#include <math.h>

#include "sample.h"
#include "vec.h"

// Candidates that are ordered at first where top-p or min-p must say how many there are; eight times as many in each
// further attempt.
#define FIRST_CANDIDATES 512
#define MORE_CANDIDATES 8

// A logit that is not a number or plus infinity counts as banned.
VEC_INLINE vec usable(vec x) { return vec_if_less(x, vec_set1(INFINITY), x, vec_set1(-INFINITY)); }

VEC_INLINE vec load_usable(const float *logits, int64_t at, int64_t end) {
  if (at + VEC_LANES <= end) return usable(vec_load(logits + at));
  float lanes[VEC_LANES];
  for (int i = 0; i < VEC_LANES; i++) lanes[i] = at + i < end ? logits[at + i] : -INFINITY;
  return usable(vec_load(lanes));
}

// ---- candidates: a number that sorts by logit, descending, then by token

static uint64_t candidate_of(float logit, int64_t token) {
  float zero_is_zero = logit + 0.0f;
  int32_t bits;
  memcpy(&bits, &zero_is_zero, sizeof bits);
  uint32_t ascending = (uint32_t)(bits ^ ((bits >> 31) & INT32_MAX)) ^ 0x80000000u;
  return (uint64_t)~ascending << 32 | (uint64_t)token;
}

static int64_t token_of(uint64_t candidate) { return (int64_t)(candidate & UINT32_MAX); }

// A heap whose root is the worst candidate.
static void sift_down(uint64_t *heap, int64_t size, int64_t at) {
  uint64_t moved = heap[at];
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && heap[child + 1] > heap[child]) child++;
    if (heap[child] <= moved) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

// The `limit` best candidates in order; returns how many there are. Banned tokens are none.
static int64_t best_candidates(const float *logits, int64_t vocabulary, int64_t limit, uint64_t *heap) {
  if (limit == 0) return 0;
  int64_t size = 0;
  float threshold = -INFINITY; // an equal logit with a larger token is worse
  for (int64_t at = 0; at < vocabulary; at += VEC_LANES) {
    vec x = load_usable(logits, at, vocabulary);
    if (!vec_any_less(vec_set1(threshold), x)) continue;
    float lanes[VEC_LANES];
    vec_store(lanes, x);
    for (int i = 0; i < VEC_LANES; i++) {
      if (!(lanes[i] > threshold)) continue;
      uint64_t candidate = candidate_of(lanes[i], at + i);
      if (size < limit) {
        heap[size++] = candidate;
        if (size < limit) continue;
        for (int64_t parent = size / 2 - 1; parent >= 0; parent--) sift_down(heap, size, parent);
      } else {
        heap[0] = candidate;
        sift_down(heap, size, 0);
      }
      threshold = logits[token_of(heap[0])];
    }
  }
  if (size < limit) {
    for (int64_t parent = size / 2 - 1; parent >= 0; parent--) sift_down(heap, size, parent);
  }
  for (int64_t end = size - 1; end > 0; end--) {
    uint64_t worst = heap[0];
    heap[0] = heap[end];
    heap[end] = worst;
    sift_down(heap, end, 0);
  }
  return size;
}

// ---- passes

// The largest logit and its token, the first of equal ones; minus infinity and NO_TOKEN where all are banned.
static float largest(const float *logits, int64_t vocabulary, int64_t *token) {
  float best = -INFINITY;
  *token = NO_TOKEN;
  for (int64_t block = 0; block < vocabulary; block += SAMPLE_BLOCK) {
    int64_t end = weir_min(block + SAMPLE_BLOCK, vocabulary);
    vec top = vec_set1(-INFINITY);
    for (int64_t at = block; at < end; at += VEC_LANES) top = vec_max(load_usable(logits, at, end), top);
    float here = vec_largest(top);
    if (here > best) {
      best = here;
      *token = block;
    }
  }
  if (*token == NO_TOKEN) return best;
  while (!(logits[*token] == best)) ++*token;
  return best;
}

static float weight_of(float logit, float max, float temperature) {
  return logit < INFINITY ? vec_exp1((logit - max) / temperature) : 0;
}

// The sum of exp((logit - max) / temperature), and the part of every block if wanted.
static double sum_of_weights(const float *logits, int64_t vocabulary, float max, float temperature,
                             double *block_sums) {
  double total = 0;
  for (int64_t block = 0; block < vocabulary; block += SAMPLE_BLOCK) {
    int64_t end = weir_min(block + SAMPLE_BLOCK, vocabulary);
    vec sum = vec_zero();
    for (int64_t at = block; at < end; at += VEC_LANES) {
      sum = sum + vec_exp((load_usable(logits, at, end) - vec_set1(max)) / vec_set1(temperature));
    }
    double part = vec_sum(sum);
    if (block_sums) block_sums[block / SAMPLE_BLOCK] = part;
    total += part;
  }
  return total;
}

// ---- the steps

static void adjust(const weir_sample_parameters *row, int64_t vocabulary, float *logits,
                   const weir_sample_pair *biases, const weir_sample_pair *penalties, const uint32_t *masks) {
  for (int32_t i = 0; i < row->bias_count; i++) {
    weir_sample_pair pair = biases[row->bias_offset + i];
    if (pair.token >= 0 && pair.token < vocabulary) logits[pair.token] += pair.bias;
  }
  if (row->mask_offset >= 0) {
    const uint32_t *words = masks + row->mask_offset;
    for (int64_t at = 0; at < vocabulary; at += 32) {
      uint32_t banned = ~words[at / 32];
      int64_t count = weir_min(32, vocabulary - at);
      for (int64_t i = 0; i < count; i++) {
        logits[at + i] = (banned >> i & 1) ? -INFINITY : logits[at + i];
      }
    }
  }
  for (int32_t i = 0; i < row->penalty_count; i++) {
    weir_sample_pair pair = penalties[row->penalty_offset + i];
    if (pair.token < 0 || pair.token >= vocabulary) continue;
    float logit = logits[pair.token];
    logit = logit > 0 ? logit / row->repetition : logit * row->repetition;
    logits[pair.token] =
        logit - (pair.occurrences > 0 ? row->presence : 0) - (float)pair.occurrences * row->frequency;
  }
}

// Saves the raw logits of the listed tokens, or puts them back.
static void save(const weir_sample_parameters *row, int64_t vocabulary, float *logits,
                 const weir_sample_pair *biases, const weir_sample_pair *penalties, float *before, int restore) {
  for (int32_t i = 0; i < row->bias_count + row->penalty_count; i++) {
    int32_t token = i < row->bias_count ? biases[row->bias_offset + i].token
                                        : penalties[row->penalty_offset + i - row->bias_count].token;
    if (token < 0 || token >= vocabulary) continue;
    if (restore) {
      logits[token] = before[i];
    } else {
      before[i] = logits[token];
    }
  }
}

// Philox4x32-10 (Salmon et al. 2011): the first word for counter (position, 0, 0, 0).
static double uniform(const weir_sample_parameters *row) {
  uint32_t c0 = (uint32_t)row->position, c1 = 0, c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)row->seed, k1 = (uint32_t)(row->seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (c0 >> 8) * 0x1p-24;
}

// Every token is kept: the sum runs by token.
static int64_t draw_of_all(const weir_sample_parameters *row, int64_t vocabulary, const float *logits, float max,
                           double *block_sums) {
  double target = uniform(row) * sum_of_weights(logits, vocabulary, max, row->temperature, block_sums);
  double cumulative = 0;
  int64_t last = NO_TOKEN; // the last token with any weight: where rounding leaves the sum short of the target
  for (int64_t block = 0; block < vocabulary; block += SAMPLE_BLOCK) {
    double next = cumulative + block_sums[block / SAMPLE_BLOCK];
    int64_t end = weir_min(block + SAMPLE_BLOCK, vocabulary);
    if (next > target || end == vocabulary) {
      for (int64_t token = block; token < end; token++) {
        float weight = weight_of(logits[token], max, row->temperature);
        cumulative += weight;
        if (weight > 0) last = token;
        if (cumulative > target) return token;
      }
      if (last != NO_TOKEN) return last;
    }
    cumulative = next;
  }
  // The last block had no weight at all, and the sum before it was rounded down to the target.
  largest(logits, vocabulary, &last);
  return last;
}

// Some are kept: orders as many candidates as it takes, and draws in their order.
static int64_t draw_of_best(const weir_sample_parameters *row, int64_t vocabulary, const float *logits, float max,
                            uint64_t *candidates) {
  int limited = row->top_k != 0 && row->top_k < vocabulary;
  // Of everything, for a prefix of everything; else the sum of what is kept.
  double everything = limited || row->min_p > 0 ? 0 : sum_of_weights(logits, vocabulary, max, row->temperature, NULL);
  int64_t limit = limited ? row->top_k : weir_min(FIRST_CANDIDATES, vocabulary);
  for (;;) {
    int64_t count = best_candidates(logits, vocabulary, limit, candidates);
    int complete = limited || count < limit || limit == vocabulary;
    int64_t kept = count;
    if (row->min_p > 0) {
      while (kept > 1 && weight_of(logits[token_of(candidates[kept - 1])], max, row->temperature) < row->min_p) kept--;
      complete |= kept < count;
    }
    double total = 0;
    for (int64_t i = 0; i < kept; i++) total += weight_of(logits[token_of(candidates[i])], max, row->temperature);
    if (row->top_p < 1 && (complete || everything > 0)) {
      double enough = row->top_p * (everything > 0 ? everything : total);
      double cumulative = 0;
      int64_t prefix = 0;
      while (prefix < kept && cumulative < enough) {
        cumulative += weight_of(logits[token_of(candidates[prefix++])], max, row->temperature);
      }
      if (cumulative >= enough) {
        complete = 1;
        kept = prefix;
        total = cumulative;
      }
    }
    if (!complete) {
      limit = weir_min(limit * MORE_CANDIDATES, vocabulary);
      continue;
    }
    double target = uniform(row) * total;
    double cumulative = 0;
    for (int64_t i = 0; i < kept; i++) {
      int64_t token = token_of(candidates[i]);
      cumulative += weight_of(logits[token], max, row->temperature);
      if (cumulative > target) return token;
    }
    return token_of(candidates[0]);
  }
}

static int64_t draw(const weir_sample_parameters *row, int64_t vocabulary, const float *logits,
                    const weir_sample_scratch *scratch) {
  int64_t best;
  float max = largest(logits, vocabulary, &best);
  if (best == NO_TOKEN || row->temperature == 0) return best;
  if ((row->top_k == 0 || row->top_k >= vocabulary) && row->min_p == 0 && row->top_p >= 1) {
    return draw_of_all(row, vocabulary, logits, max, scratch->block_sums);
  }
  return draw_of_best(row, vocabulary, logits, max, scratch->candidates);
}

void WEIR_LEVEL(weir_sample_row)(const weir_sample_parameters *row, int64_t vocabulary, float *logits,
                                 const weir_sample_pair *biases, const weir_sample_pair *penalties,
                                 const uint32_t *masks, const weir_sample_scratch *scratch,
                                 weir_sample_result *result) {
  double log_sum = 0;
  if (row->logprobs >= 0) {
    int64_t token;
    float max = largest(logits, vocabulary, &token);
    log_sum = max + log(sum_of_weights(logits, vocabulary, max, 1, NULL));
    int64_t tops = best_candidates(logits, vocabulary, row->logprobs, scratch->candidates);
    for (int64_t i = 0; i < row->logprobs; i++) {
      int64_t top = i < tops ? token_of(scratch->candidates[i]) : NO_TOKEN;
      result->top_tokens[i] = (int32_t)top;
      result->top_logprobs[i] = i < tops ? (float)(logits[top] - log_sum) : -INFINITY;
    }
  }
  save(row, vocabulary, logits, biases, penalties, scratch->before, 0);
  adjust(row, vocabulary, logits, biases, penalties, masks);
  int64_t token = draw(row, vocabulary, logits, scratch);
  save(row, vocabulary, logits, biases, penalties, scratch->before, 1);
  result->token = (int32_t)token;
  result->logprob = row->logprobs >= 0 && token != NO_TOKEN ? (float)(logits[token] - log_sum) : NAN;
}
