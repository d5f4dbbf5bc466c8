// Sampling of one row, step by step as SampleLayout has it. Passes over the vocabulary are vectors. A few candidates
// are ordered by a heap of the best so far; of many only those are that lie where the kept ones end, or where the draw
// falls.
#include <math.h>

#include "sample.h"
#include "vec.h"

// The inverse of a smaller one may be infinite.
#define MIN_TEMPERATURE 1e-38f

// As many candidates are ordered by a heap. Trained models seldom keep more.
#define FEW_CANDIDATES 256

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

static void make_heap(uint64_t *heap, int64_t size) {
  for (int64_t parent = size / 2 - 1; parent >= 0; parent--) sift_down(heap, size, parent);
}

// Leaves the best first.
static void sort_heap(uint64_t *heap, int64_t size) {
  for (int64_t end = size - 1; end > 0; end--) {
    uint64_t worst = heap[0];
    heap[0] = heap[end];
    heap[end] = worst;
    sift_down(heap, end, 0);
  }
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
        make_heap(heap, size);
      } else {
        heap[0] = candidate;
        sift_down(heap, size, 0);
      }
      threshold = logits[token_of(heap[0])];
    }
  }
  if (size < limit) make_heap(heap, size);
  sort_heap(heap, size);
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

// The weight of a token relative to the largest; `scale` is 1 / temperature, and finite.
static float weight_of(float logit, float max, float scale) {
  return logit < INFINITY ? vec_exp1((logit - max) * scale) : 0;
}

// The sum of all weights, and the part of every block if wanted.
static double sum_of_weights(const float *logits, int64_t vocabulary, float max, float scale, double *block_sums) {
  double total = 0;
  for (int64_t block = 0; block < vocabulary; block += SAMPLE_BLOCK) {
    int64_t end = weir_min(block + SAMPLE_BLOCK, vocabulary);
    vec sum = vec_zero();
    for (int64_t at = block; at < end; at += VEC_LANES) {
      sum = sum + vec_exp((load_usable(logits, at, end) - vec_set1(max)) * vec_set1(scale));
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
                           float scale, double *block_sums) {
  double target = uniform(row) * sum_of_weights(logits, vocabulary, max, scale, block_sums);
  double cumulative = 0;
  int64_t last = NO_TOKEN; // the last token with any weight: where rounding leaves the sum short of the target
  for (int64_t block = 0; block < vocabulary; block += SAMPLE_BLOCK) {
    double next = cumulative + block_sums[block / SAMPLE_BLOCK];
    int64_t end = weir_min(block + SAMPLE_BLOCK, vocabulary);
    if (next > target || end == vocabulary) {
      for (int64_t token = block; token < end; token++) {
        float weight = weight_of(logits[token], max, scale);
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

// How many of ordered candidates are kept by min-p; at least one.
static int64_t cut_by_weight(const weir_sample_parameters *row, const float *logits, float max, float scale,
                             const uint64_t *candidates, int64_t count) {
  while (count > 0 && weight_of(logits[token_of(candidates[count - 1])], max, scale) < row->min_p) count--;
  return count;
}

// The first of ordered candidates at which the running sum, from *cumulative on, is at least (or exceeds) a mark;
// `count` where none does. *cumulative includes it.
static int64_t reach(const float *logits, float max, float scale, const uint64_t *candidates, int64_t count,
                     double mark, int exceed, double *cumulative) {
  for (int64_t i = 0; i < count; i++) {
    *cumulative += weight_of(logits[token_of(candidates[i])], max, scale);
    if (exceed ? *cumulative > mark : *cumulative >= mark) return i;
  }
  return count;
}

// Some are kept, and few enough to order them; NO_TOKEN where it turns out that they are not.
static int64_t draw_of_few(const weir_sample_parameters *row, int64_t vocabulary, const float *logits, float max,
                           float scale, int limited, uint64_t *candidates) {
  if (limited && row->top_k > FEW_CANDIDATES) return NO_TOKEN;
  int64_t limit = limited ? row->top_k : FEW_CANDIDATES;
  int64_t count = best_candidates(logits, vocabulary, limit, candidates);
  int64_t kept = count;
  if (row->min_p > 0) {
    kept = cut_by_weight(row, logits, max, scale, candidates, count);
    if (kept == 0) kept = 1;
  }
  int complete = limited || count < limit || kept < count;
  double total = 0;
  reach(logits, max, scale, candidates, kept, INFINITY, 0, &total);
  if (row->top_p < 1) {
    if (!complete) {
      // A prefix of everything, unless min-p cuts it farther on.
      if (row->min_p > 0) return NO_TOKEN;
      total = sum_of_weights(logits, vocabulary, max, scale, NULL);
    }
    double prefix = 0;
    int64_t last = reach(logits, max, scale, candidates, kept, row->top_p * total, 0, &prefix);
    if (last < kept) {
      kept = last + 1;
      total = prefix;
      complete = 1;
    }
  }
  if (!complete) return NO_TOKEN;
  double cumulative = 0;
  int64_t drawn = reach(logits, max, scale, candidates, kept, uniform(row) * total, 1, &cumulative);
  return token_of(candidates[weir_min(drawn, kept - 1)]);
}

// ---- many candidates, in buckets

VEC_INLINE vec bucket_of(vec distance) {
  vec scaled = distance * vec_set1(SAMPLE_BUCKETS / SAMPLE_BUCKETS_RANGE);
  return vec_min(vec_set1(SAMPLE_BUCKETS - 1), scaled);
}

// The bucket of every usable token of a vector, and its weight; -1 for the banned.
VEC_INLINE void bucket_lanes(const float *logits, int64_t at, int64_t vocabulary, float max, float scale,
                             float *buckets, float *weights) {
  vec x = load_usable(logits, at, vocabulary);
  vec distance = (vec_set1(max) - x) * vec_set1(scale);
  if (weights) vec_store(weights, vec_exp(vec_zero() - distance));
  vec_store(buckets, vec_if_less(vec_set1(-INFINITY), x, bucket_of(distance), vec_set1(-1)));
}

// The candidates of one bucket in order; returns how many there are.
static int64_t order_bucket(const float *logits, int64_t vocabulary, float max, float scale, int64_t bucket,
                            uint64_t *candidates) {
  int64_t count = 0;
  float low = (float)bucket, high = (float)(bucket + 1);
  for (int64_t at = 0; at < vocabulary; at += VEC_LANES) {
    float buckets[VEC_LANES];
    bucket_lanes(logits, at, vocabulary, max, scale, buckets, NULL);
    for (int i = 0; i < VEC_LANES; i++) {
      if (buckets[i] >= low && buckets[i] < high) candidates[count++] = candidate_of(logits[at + i], at + i);
    }
  }
  make_heap(candidates, count);
  sort_heap(candidates, count);
  return count;
}

// Some are kept: buckets in order, and inside the one where they end (and the one where the draw falls) candidates in
// order.
static int64_t draw_of_many(const weir_sample_parameters *row, int64_t vocabulary, const float *logits, float max,
                            float scale, int limited, const weir_sample_scratch *scratch) {
  weir_sample_bucket *buckets = scratch->buckets;
  uint64_t *candidates = scratch->candidates;
  memset(buckets, 0, SAMPLE_BUCKETS * sizeof *buckets);
  for (int64_t at = 0; at < vocabulary; at += VEC_LANES) {
    float numbers[VEC_LANES], weights[VEC_LANES];
    bucket_lanes(logits, at, vocabulary, max, scale, numbers, weights);
    for (int i = 0; i < VEC_LANES; i++) {
      if (numbers[i] < 0) continue;
      weir_sample_bucket *bucket = &buckets[(int64_t)numbers[i]];
      bucket->sum += weights[i];
      bucket->count++;
    }
  }

  // Kept are buckets 0 … last-1 whole, and of bucket `last` the first `part` candidates.
  int64_t last = SAMPLE_BUCKETS - 1;
  int64_t part = buckets[last].count;
  if (limited) {
    int64_t count = 0;
    for (last = 0; last < SAMPLE_BUCKETS - 1 && count + buckets[last].count < row->top_k; last++) {
      count += buckets[last].count;
    }
    part = weir_min(row->top_k - count, buckets[last].count);
  }
  if (row->min_p > 0) {
    float lanes[VEC_LANES];
    vec_store(lanes, bucket_of(vec_set1(-logf(row->min_p))));
    int64_t edge = (int64_t)lanes[0];
    if (edge <= last) {
      int64_t count = order_bucket(logits, vocabulary, max, scale, edge, candidates);
      if (edge == last) count = weir_min(count, part);
      last = edge;
      part = cut_by_weight(row, logits, max, scale, candidates, count);
      if (last == 0 && part == 0) part = 1;
    }
  }
  double total = 0;
  for (int64_t b = 0; b < last; b++) total += buckets[b].sum;
  order_bucket(logits, vocabulary, max, scale, last, candidates);
  double end = total;
  reach(logits, max, scale, candidates, part, INFINITY, 0, &end);
  total = end;
  if (row->top_p < 1) {
    double enough = row->top_p * total;
    double cumulative = 0;
    int64_t b = 0;
    for (; b < last && cumulative + buckets[b].sum < enough; b++) cumulative += buckets[b].sum;
    int64_t count = order_bucket(logits, vocabulary, max, scale, b, candidates);
    if (b == last) count = part;
    int64_t reached = reach(logits, max, scale, candidates, count, enough, 0, &cumulative);
    last = b;
    part = weir_min(reached + 1, count);
    total = cumulative;
  }

  double target = uniform(row) * total;
  double cumulative = 0;
  int64_t b = 0;
  for (; b < last && cumulative + buckets[b].sum <= target; b++) cumulative += buckets[b].sum;
  int64_t count = order_bucket(logits, vocabulary, max, scale, b, candidates);
  if (b == last) count = part;
  int64_t drawn = reach(logits, max, scale, candidates, count, target, 1, &cumulative);
  // The last bucket may hold none that is kept, where rounding put the target at its start.
  if (count == 0) return NO_TOKEN;
  return token_of(candidates[weir_min(drawn, count - 1)]);
}

static int64_t draw(const weir_sample_parameters *row, int64_t vocabulary, const float *logits,
                    const weir_sample_scratch *scratch) {
  int64_t best;
  float max = largest(logits, vocabulary, &best);
  if (best == NO_TOKEN || row->temperature == 0) return best;
  float scale = 1 / (row->temperature < MIN_TEMPERATURE ? MIN_TEMPERATURE : row->temperature);
  int limited = row->top_k != 0 && row->top_k < vocabulary;
  if (!limited && row->min_p == 0 && row->top_p >= 1) {
    return draw_of_all(row, vocabulary, logits, max, scale, scratch->block_sums);
  }
  int64_t token = draw_of_few(row, vocabulary, logits, max, scale, limited, scratch->candidates);
  if (token == NO_TOKEN) token = draw_of_many(row, vocabulary, logits, max, scale, limited, scratch);
  return token == NO_TOKEN ? best : token;
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
