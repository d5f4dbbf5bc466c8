// sample, as SampleLayout describes it, in three launches over chunks of the vocabulary, all rows at once:
//
//   sample_scan    of each chunk: the best candidate, and what the raw logprobs need
//   sample_weigh   of each chunk: the weights of its tokens; the last block of a row draws where no filter is set (and
//                  is done with a greedy row), else it finds out from a histogram which candidates decide
//   sample_choose  collects those few, and the last block of a row orders them and draws
//
// A token's weight is exp((logit - max) / temperature) of the row's largest logit, in fixed point. So every sum of
// weights is one of integers: exact, whatever the order, whichever blocks add to it. A row's result is therefore a
// pure function of the row. Exact are the adjusted logits, the candidates' order, greedy tokens, top-k, the random
// number and every sum; within rounding (of the exponential, 2 ulp of F32, and of a weight, 2^-44 of the largest) are
// min-p, top-p and the token that the random number falls on.
#include "sample.h"
#include "vocabulary.h"

namespace weir {

// ---- rows

WEIR_DEVICE bool is_adjusted(const SampleRow &row) {
  return row.bias_count > 0 || row.penalty_count > 0 || row.mask_offset >= 0;
}
WEIR_DEVICE bool is_limited(const SampleRow &row, int64_t vocabulary) {
  return row.top_k != 0 && row.top_k < vocabulary;
}
WEIR_DEVICE bool is_filtered(const SampleRow &row, int64_t vocabulary) {
  return row.temperature > 0 && (is_limited(row, vocabulary) || row.min_p > 0 || row.top_p < 1);
}

// The random number's 24 bits: Philox4x32-10 (Salmon et al. 2011), the first word for counter (position, 0, 0, 0).
WEIR_DEVICE uint32_t random_24(const SampleRow &row) {
  uint32_t c0 = static_cast<uint32_t>(row.position), c1 = 0, c2 = 0, c3 = 0;
  uint32_t k0 = static_cast<uint32_t>(row.seed), k1 = static_cast<uint32_t>(row.seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c0 >> 8;
}

// The token is drawn whose running sum is the first to exceed this: u times the sum, rounded down, exactly.
WEIR_DEVICE uint64_t draw_mark(const SampleRow &row, uint64_t sum) {
  const uint64_t u = random_24(row);
  return u * (sum >> 24) + (u * (sum & 0xFFFFFF) >> 24);
}

// The prefix ends whose running sum is the first to exceed this: one below top-p times the sum.
WEIR_DEVICE uint64_t prefix_mark(const SampleRow &row, uint64_t sum) {
  const double wanted = static_cast<double>(row.top_p) * static_cast<double>(sum);
  const uint64_t below = static_cast<uint64_t>(wanted);
  const bool whole = static_cast<double>(below) == wanted;
  return whole && below > 0 ? below - 1 : below;
}

// ---- candidates: a number that sorts by logit, descending, then by token

WEIR_DEVICE uint64_t candidate_of(float logit, int token) {
  if (!(logit > BANNED)) {
    return NO_CANDIDATE;
  }
  const uint32_t bits = bits_of(logit + 0.0f); // makes one zero of the two
  const uint32_t descending = bits >> 31 ? bits : ~(bits | 0x80000000u);
  return static_cast<uint64_t>(descending) << 32 | static_cast<uint32_t>(token);
}
WEIR_DEVICE float logit_of(uint64_t candidate) {
  const uint32_t descending = static_cast<uint32_t>(candidate >> 32);
  return float_of(descending >> 31 ? descending : ~descending & 0x7FFFFFFFu);
}
WEIR_DEVICE int token_of(uint64_t candidate) { return static_cast<int>(static_cast<uint32_t>(candidate)); }

WEIR_DEVICE float weight_of(float logit, float max, float temperature) {
  return exponential((logit - max) / temperature);
}
WEIR_DEVICE uint64_t fixed_point(float weight) {
  return static_cast<uint64_t>(weight * static_cast<float>(LARGEST_WEIGHT));
}
WEIR_DEVICE int bucket_of(float logit, float max) {
  const int bucket = static_cast<int>(bits_of(max - logit) >> BUCKET_SHIFT) - FIRST_BUCKET;
  return bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1;
}

// ---- blocks

WEIR_DEVICE uint64_t shuffle_64(uint64_t value, int source) {
  const uint32_t low_word = shuffle(static_cast<uint32_t>(value), source);
  const uint32_t high_word = shuffle(static_cast<uint32_t>(value >> 32), source);
  return static_cast<uint64_t>(high_word) << 32 | low_word;
}

// `warps` is shared, [SAMPLE_WARPS], and may be used again at once.
WEIR_DEVICE uint64_t block_min(uint64_t value, uint64_t *warps) {
#pragma unroll
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    const uint64_t other = shuffle_64(value, lane() ^ mask);
    value = other < value ? other : value;
  }
  sync_block();
  if (lane() == 0) {
    warps[warp()] = value;
  }
  sync_block();
#pragma unroll
  for (int w = 0; w < SAMPLE_WARPS; w++) {
    value = warps[w] < value ? warps[w] : value;
  }
  return value;
}

WEIR_DEVICE uint64_t block_sum(uint64_t value, uint64_t *warps) {
#pragma unroll
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    value += shuffle_64(value, lane() ^ mask);
  }
  sync_block();
  if (lane() == 0) {
    warps[warp()] = value;
  }
  sync_block();
  value = 0;
#pragma unroll
  for (int w = 0; w < SAMPLE_WARPS; w++) {
    value += warps[w];
  }
  return value;
}

struct Found {
  int64_t at;
  uint64_t before; // the sum of the values before it
};

struct SampleShared {
  uint64_t warps[SAMPLE_WARPS];
  Found found;
  uint64_t threshold;
  int32_t last;
};

// The first of COUNT values at which the running sum exceeds `mark`; the whole sum does.
template <int COUNT, class Value> WEIR_DEVICE Found find(uint64_t mark, SampleShared *shared, Value value) {
  constexpr int EACH = COUNT / SAMPLE_THREADS;
  const int first = thread_index() * EACH;
  uint64_t sum = 0;
  for (int i = first; i < first + EACH; i++) {
    sum += value(i);
  }
  uint64_t before = sum;
#pragma unroll
  for (int distance = 1; distance < WARP; distance *= 2) {
    const uint64_t other = shuffle_64(before, lane() < distance ? lane() : lane() - distance);
    before += lane() < distance ? 0 : other;
  }
  sync_block();
  if (lane() == WARP - 1) {
    shared->warps[warp()] = before;
  }
  sync_block();
  before -= sum;
  for (int w = 0; w < warp(); w++) {
    before += shared->warps[w];
  }
  if (before <= mark && mark < before + sum) {
    int at = first;
    for (; before + value(at) <= mark; at++) {
      before += value(at);
    }
    shared->found = Found{at, before};
  }
  sync_block();
  return shared->found;
}

// Orders a power of two of shared numbers: a bitonic network (Batcher 1968).
WEIR_DEVICE void sort(uint64_t *numbers, int count) {
  for (int size = 2; size <= count; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      sync_block();
      for (int i = thread_index(); i < count / 2; i += SAMPLE_THREADS) {
        const int a = 2 * i - (i & (stride - 1));
        const int b = a + stride;
        const bool ascending = (a & size) == 0;
        const uint64_t x = numbers[a], y = numbers[b];
        if ((x > y) == ascending) {
          numbers[a] = y;
          numbers[b] = x;
        }
      }
    }
  }
  sync_block();
}

// Whether all of a row's other blocks have come here; what they wrote before can then be read.
WEIR_DEVICE bool is_last(int32_t *arrived, SampleShared *shared) {
  fence_device();
  sync_block();
  if (thread_index() == 0) {
    shared->last = atomic_add(arrived, 1) == grid_size() - 1;
  }
  sync_block();
  fence_device();
  return shared->last != 0;
}

// ---- a chunk's logits, LANE_TOKENS to the thread

WEIR_DEVICE int first_token(int chunk) { return chunk * CHUNK + warp() * WARP_TOKENS; } // of this warp
WEIR_DEVICE int offset_of(int i) { return i / QUAD * (QUAD * WARP) + QUAD * lane() + i % QUAD; } // from there

// A logit that is not a number or plus infinity counts as banned.
WEIR_DEVICE float usable(float logit) { return logit < -BANNED ? logit : BANNED; }

WEIR_DEVICE void load_raw(const float *row, int64_t vocabulary, int chunk, float (&x)[LANE_TOKENS]) {
  const bool whole = vocabulary % QUAD == 0 && reinterpret_cast<uintptr_t>(row) % 16 == 0;
#pragma unroll
  for (int q = 0; q < LANE_QUADS; q++) {
    const int at = first_token(chunk) + offset_of(q * QUAD);
    if (whole && at < vocabulary) {
      const Words4 words = load_16(row + at);
      x[4 * q] = float_of(words.x), x[4 * q + 1] = float_of(words.y);
      x[4 * q + 2] = float_of(words.z), x[4 * q + 3] = float_of(words.w);
    } else {
#pragma unroll
      for (int i = 0; i < QUAD; i++) {
        x[4 * q + i] = at + i < vocabulary ? row[at + i] : BANNED;
      }
    }
  }
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    x[i] = usable(x[i]);
  }
}

// Changes the listed tokens' logits, in the list's order should a token be in it twice. `logits` are this warp's.
template <class Change>
WEIR_DEVICE void change_listed(const SamplePair *pairs, int count, int first, float *logits, Change change) {
  constexpr int BATCH = 4; // loads on their way at once
  for (int start = 0; start < count; start += BATCH * WARP) {
    SamplePair mine[BATCH];
#pragma unroll
    for (int b = 0; b < BATCH; b++) {
      const int i = start + b * WARP + lane();
      mine[b] = i < count ? pairs[i] : SamplePair{NO_TOKEN, 0};
    }
#pragma unroll
    for (int b = 0; b < BATCH; b++) {
      const uint32_t at = static_cast<uint32_t>(mine[b].token) - static_cast<uint32_t>(first);
      uint32_t hits = ballot(mine[b].token >= 0 && at < WARP_TOKENS);
      for (; hits != 0; hits &= hits - 1) {
        if ((hits & (0u - hits)) == 1u << lane()) {
          logits[at] = change(logits[at], mine[b].value);
        }
        sync_warp();
      }
    }
  }
}

// Biases, mask and penalties. `logits` is shared, [CHUNK]; a warp keeps to its own part of it. What lies behind the
// vocabulary is banned and stays so.
WEIR_DEVICE void adjust(const SampleArguments &arguments, const SampleRow &row, int chunk, float (&x)[LANE_TOKENS],
                        float *logits) {
  if (!is_adjusted(row)) {
    return;
  }
  const int first = first_token(chunk);
  logits += warp() * WARP_TOKENS;
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    logits[offset_of(i)] = x[i];
  }
  sync_warp();
  change_listed(arguments.biases + row.bias_offset, row.bias_count, first, logits,
                [](float logit, uint32_t value) { return logit + float_of(value); });
  if (row.mask_offset >= 0) {
    const uint32_t *const words = arguments.masks + row.mask_offset;
    for (int i = 0; i < WARP_TOKENS; i += WARP) {
      if (first + i < arguments.vocabulary && (words[(first + i) / WARP] >> lane() & 1) == 0) {
        logits[i + lane()] = BANNED;
      }
    }
    sync_warp();
  }
  const float repetition = row.repetition, presence = row.presence, frequency = row.frequency;
  change_listed(arguments.penalties + row.penalty_offset, row.penalty_count, first, logits,
                [repetition, presence, frequency](float logit, uint32_t value) {
                  const int32_t occurrences = static_cast<int32_t>(value);
                  logit = logit > 0 ? logit / repetition : logit * repetition;
                  return logit - (occurrences > 0 ? presence : 0) - static_cast<float>(occurrences) * frequency;
                });
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    x[i] = usable(logits[offset_of(i)]);
  }
  sync_warp();
}

WEIR_DEVICE void load_adjusted(const SampleArguments &arguments, const SampleRow &row, int64_t r, int chunk,
                               float (&x)[LANE_TOKENS], float *logits) {
  load_raw(arguments.logits + r * arguments.vocabulary, arguments.vocabulary, chunk, x);
  adjust(arguments, row, chunk, x, logits);
}

// The best of a thread's candidates.
WEIR_DEVICE uint64_t best_of(const float (&x)[LANE_TOKENS], int chunk) {
  float best = BANNED;
  int token = 0;
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    if (x[i] > best) {
      best = x[i];
      token = first_token(chunk) + offset_of(i);
    }
  }
  return candidate_of(best, token);
}

// ---- sample_scan

WEIR_KERNEL(sample_scan, SampleArguments, SAMPLE_THREADS, 8, 0) {
  WEIR_SHARED(float, logits, CHUNK);
  WEIR_SHARED(SampleShared, shared, 1);
  const int chunk = block_index();
  const int64_t r = arguments.first_row + block_index_y();
  if (arguments.counts != nullptr && r >= arguments.counts[2]) {
    return;
  }
  const SampleRow row = arguments.rows[r];
  SampleScratch &scratch = arguments.scratch[block_index_y()];
  float x[LANE_TOKENS];
  load_raw(arguments.logits + r * arguments.vocabulary, arguments.vocabulary, chunk, x);
  if (row.logprobs >= 0) {
    const uint64_t raw_best = block_min(best_of(x, chunk), shared->warps);
    const float max = logit_of(raw_best);
    uint64_t weight = 0;
    if (raw_best != NO_CANDIDATE) {
#pragma unroll
      for (int i = 0; i < LANE_TOKENS; i++) {
        weight += fixed_point(exponential(x[i] - max));
      }
    }
    weight = block_sum(weight, shared->warps);
    if (thread_index() == 0) {
      scratch.chunks[chunk].raw_best = raw_best;
      scratch.chunks[chunk].raw_weight = weight;
    }
  }
  adjust(arguments, row, chunk, x, logits);
  const uint64_t best = block_min(best_of(x, chunk), shared->warps);
  if (thread_index() == 0) {
    scratch.chunks[chunk].best = best;
  }
  if (chunk != 0) {
    return;
  }
  // What the next launches count in.
  if (thread_index() == 0) {
    scratch.plan.decision = DECIDED;
    scratch.top_count = 0;
    scratch.candidate_count = 0;
    scratch.above_min_p = 0;
    scratch.weighed = 0;
    scratch.chosen = 0;
  }
  if (is_filtered(row, arguments.vocabulary)) {
    for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
      scratch.weights[b] = 0;
      scratch.counts[b] = 0;
    }
  }
}

// ---- sample_weigh

// The best raw candidates of a chunk that may be among the row's `wanted` best. `keys` is shared, [MAX_CHUNKS].
WEIR_DEVICE void collect_tops(SampleScratch &scratch, int chunk, int wanted, const float (&x)[LANE_TOKENS],
                              uint64_t *keys, SampleShared *shared) {
  const int chunks = grid_size();
  const int t = thread_index();
  if (t < chunks) {
    keys[t] = scratch.chunks[t].raw_best;
  }
  if (t == 0) {
    shared->threshold = NO_CANDIDATE;
  }
  sync_block();
  // At least `wanted` candidates are as good as the chunk that is `wanted`-th by its best.
  if (t < chunks && keys[t] != NO_CANDIDATE) {
    int better = 0;
    for (int c = 0; c < chunks; c++) {
      better += keys[c] < keys[t];
    }
    if (better == wanted - 1) {
      shared->threshold = keys[t];
    }
  }
  sync_block();
  const uint64_t threshold = shared->threshold;
  if (keys[chunk] > threshold) {
    return;
  }
  uint64_t last = 0;
  for (int n = 0; n < wanted; n++) {
    uint64_t next = NO_CANDIDATE;
#pragma unroll
    for (int i = 0; i < LANE_TOKENS; i++) {
      const uint64_t candidate = candidate_of(x[i], first_token(chunk) + offset_of(i));
      next = candidate > last && candidate < next ? candidate : next;
    }
    next = block_min(next, shared->warps);
    if (next == NO_CANDIDATE || next > threshold) {
      return;
    }
    if (t == 0) {
      scratch.tops[atomic_add(&scratch.top_count, 1)] = next;
    }
    last = next;
  }
}

// Adds a chunk to the row's histogram, by way of one in shared memory.
WEIR_DEVICE void count_buckets(SampleScratch &scratch, const SampleRow &row, float max, const float (&x)[LANE_TOKENS],
                               uint64_t *weights, int32_t *counts, SampleShared *shared) {
  for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
    weights[b] = 0;
    counts[b] = 0;
  }
  sync_block();
  uint64_t above = 0, far = 0, far_weight = 0;
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    if (x[i] > BANNED) {
      const float weight = weight_of(x[i], max, row.temperature);
      const uint64_t fixed = fixed_point(weight);
      const int bucket = bucket_of(x[i], max);
      if (bucket == BUCKETS - 1) { // most of a chunk may be there: its threads would queue
        far++;
        far_weight += fixed;
      } else {
        atomic_add(&counts[bucket], 1);
        if (fixed != 0) {
          atomic_add(&weights[bucket], fixed);
        }
      }
      above += weight >= row.min_p;
    }
  }
  far = block_sum(far, shared->warps);
  far_weight = block_sum(far_weight, shared->warps);
  above = row.min_p > 0 ? block_sum(above, shared->warps) : 0;
  if (thread_index() == 0) {
    counts[BUCKETS - 1] = static_cast<int32_t>(far);
    weights[BUCKETS - 1] = far_weight;
    if (above != 0) {
      atomic_add(&scratch.above_min_p, static_cast<int32_t>(above));
    }
  }
  sync_block();
  for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
    if (counts[b] != 0) {
      atomic_add(&scratch.counts[b], counts[b]);
      atomic_add(&scratch.weights[b], weights[b]);
    }
  }
}

// log(sum · 2^-WEIGHT_BITS): the exponent apart, so that the rest is small and its logarithm exact to a few 2^-24.
WEIR_DEVICE double log_of(uint64_t sum) {
  const uint32_t bits = bits_of(static_cast<float>(sum));
  const int exponent = static_cast<int>(bits >> 23) - 127 - WEIGHT_BITS;
  const float mantissa = float_of((bits & 0x7FFFFFu) | 0x3F800000u);
  return exponent * LN_2 + static_cast<double>(logarithm(mantissa));
}

// The logarithm of the sum of the exponentials of a row's raw logits.
WEIR_DEVICE double raw_log_sum(const SampleScratch &scratch, SampleShared *shared) {
  const int t = thread_index();
  const bool mine = t < grid_size() && scratch.chunks[t].raw_best != NO_CANDIDATE;
  const uint64_t best = block_min(mine ? scratch.chunks[t].raw_best : NO_CANDIDATE, shared->warps);
  if (best == NO_CANDIDATE) {
    return 0; // no token has a logprob
  }
  uint64_t weight = 0;
  if (mine) {
    const double scale = static_cast<double>(exponential(logit_of(scratch.chunks[t].raw_best) - logit_of(best)));
    weight = static_cast<uint64_t>(static_cast<double>(scratch.chunks[t].raw_weight) * scale);
  }
  return static_cast<double>(logit_of(best)) + log_of(block_sum(weight, shared->warps));
}

// `keys` is shared, [SORTED_TOPS].
WEIR_DEVICE void report_tops(const SampleScratch &scratch, const SampleRow &row, double log_sum, uint64_t *keys,
                             SampleResult &result) {
  for (int i = thread_index(); i < SORTED_TOPS; i += SAMPLE_THREADS) {
    keys[i] = i < scratch.top_count ? scratch.tops[i] : NO_CANDIDATE;
  }
  sort(keys, SORTED_TOPS);
  const int i = thread_index();
  if (i < row.logprobs) {
    const bool is_there = keys[i] != NO_CANDIDATE;
    result.top_tokens[i] = is_there ? token_of(keys[i]) : NO_TOKEN;
    result.top_logprobs[i] = is_there ? static_cast<float>(static_cast<double>(logit_of(keys[i])) - log_sum) : BANNED;
  }
}

WEIR_DEVICE void report(const SampleArguments &arguments, const SampleRow &row, int64_t r, double log_sum, int token) {
  if (thread_index() == 0) {
    SampleResult &result = arguments.results[r];
    result.token = token;
    result.logprob = row.logprobs >= 0 && token != NO_TOKEN
                         ? static_cast<float>(arguments.logits[r * arguments.vocabulary + token] - log_sum)
                         : float_of(0x7FC00000u); // NaN
  }
}

// Every token is kept: the sum runs by token.
WEIR_DEVICE int draw_of_all(const SampleArguments &arguments, const SampleRow &row, int64_t r,
                            const SampleScratch &scratch, float max, float *logits, SampleShared *shared) {
  const int chunks = grid_size();
  const auto chunk_weight = [&scratch, chunks](int c) { return c < chunks ? scratch.chunks[c].weight : 0; };
  const uint64_t sum = block_sum(chunk_weight(thread_index()), shared->warps);
  const uint64_t mark = draw_mark(row, sum);
  const Found chunk = find<MAX_CHUNKS>(mark, shared, chunk_weight);
  const int first = static_cast<int>(chunk.at) * CHUNK;
  float x[LANE_TOKENS];
  load_adjusted(arguments, row, r, static_cast<int>(chunk.at), x, logits);
#pragma unroll
  for (int i = 0; i < LANE_TOKENS; i++) {
    logits[warp() * WARP_TOKENS + offset_of(i)] = x[i];
  }
  sync_block();
  const float temperature = row.temperature;
  const Found found = find<CHUNK>(mark - chunk.before, shared, [logits, max, temperature](int i) {
    return fixed_point(weight_of(logits[i], max, temperature));
  });
  return first + static_cast<int>(found.at);
}

WEIR_DEVICE bool is_collected(const SamplePlan &plan, int bucket) {
  return (plan.part != 0 && bucket == plan.last) || (bucket >= plan.prefix_first && bucket <= plan.prefix_last) ||
         (bucket >= plan.drawn_first && bucket <= plan.drawn_last);
}

// Which buckets decide. Where top-k or min-p ends inside of a bucket the sum of what is kept is known within bounds
// only, and where top-p may end and the draw may fall follow from these.
WEIR_DEVICE void plan_choice(SampleScratch &scratch, const SampleRow &row, int64_t vocabulary, float max,
                             uint64_t *weights, int32_t *counts, SampleShared *shared) {
  sync_block();
  for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
    weights[b] = scratch.weights[b];
    counts[b] = scratch.counts[b];
  }
  sync_block();
  const auto weight = [weights](int b) { return weights[b]; };
  const auto count = [counts](int b) { return static_cast<uint64_t>(counts[b]); };
  uint64_t total = 0;
  for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
    total += count(b);
  }
  int64_t limit = static_cast<int64_t>(block_sum(total, shared->warps));
  if (is_limited(row, vocabulary) && row.top_k < limit) {
    limit = row.top_k;
  }
  if (row.min_p > 0 && scratch.above_min_p < limit) {
    limit = scratch.above_min_p > 0 ? scratch.above_min_p : 1;
  }
  const Found last = find<BUCKETS>(static_cast<uint64_t>(limit - 1), shared, count);
  const int last_bucket = static_cast<int>(last.at);
  uint64_t below = 0;
  for (int b = thread_index(); b < last_bucket; b += SAMPLE_THREADS) {
    below += weights[b];
  }
  below = block_sum(below, shared->warps);

  SamplePlan plan;
  plan.limit = static_cast<int32_t>(limit);
  plan.part = static_cast<int32_t>(limit - static_cast<int64_t>(last.before));
  plan.last = last_bucket;
  plan.max = max;
  plan.weight = below;
  uint64_t most = below + weights[last_bucket];
  uint64_t least = below < LARGEST_WEIGHT ? LARGEST_WEIGHT : below;
  if (plan.part == counts[last_bucket]) {
    plan.part = 0;
    plan.weight = most;
    least = most;
  }
  plan.prefix_first = BUCKETS;
  plan.prefix_last = -1;
  if (row.top_p < 1) {
    least = prefix_mark(row, least);
    plan.prefix_first = static_cast<int32_t>(find<BUCKETS>(least, shared, weight).at);
    const Found end = find<BUCKETS>(prefix_mark(row, most), shared, weight);
    plan.prefix_last = static_cast<int32_t>(end.at);
    least = least + 1;
    const uint64_t through = end.before + weights[end.at];
    most = through < most ? through : most;
  }
  plan.drawn_first = static_cast<int32_t>(find<BUCKETS>(draw_mark(row, least), shared, weight).at);
  plan.drawn_last = static_cast<int32_t>(find<BUCKETS>(draw_mark(row, most), shared, weight).at);
  uint64_t collected = 0;
  for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
    collected += is_collected(plan, b) ? count(b) : 0;
  }
  plan.candidates = static_cast<int32_t>(block_sum(collected, shared->warps));
  plan.decision = plan.candidates <= MAX_CANDIDATES ? COLLECT : SEARCH;
  if (thread_index() == 0) {
    scratch.plan = plan;
  }
}

WEIR_KERNEL(sample_weigh, SampleArguments, SAMPLE_THREADS, 4, 0) {
  WEIR_SHARED(float, logits, CHUNK);
  WEIR_SHARED(uint64_t, weights, BUCKETS);
  WEIR_SHARED(int32_t, counts, BUCKETS);
  WEIR_SHARED(uint64_t, keys, SORTED_TOPS);
  WEIR_SHARED(SampleShared, shared, 1);
  const int chunk = block_index();
  const int64_t r = arguments.first_row + block_index_y();
  if (arguments.counts != nullptr && r >= arguments.counts[2]) {
    return;
  }
  const SampleRow row = arguments.rows[r];
  SampleScratch &scratch = arguments.scratch[block_index_y()];
  const int t = thread_index();
  const uint64_t best = block_min(t < grid_size() ? scratch.chunks[t].best : NO_CANDIDATE, shared->warps);
  const float max = logit_of(best);
  const bool drawn = best != NO_CANDIDATE && row.temperature > 0;
  const bool filtered = drawn && is_filtered(row, arguments.vocabulary);
  if (drawn || row.logprobs > 0) {
    float x[LANE_TOKENS];
    load_raw(arguments.logits + r * arguments.vocabulary, arguments.vocabulary, chunk, x);
    if (row.logprobs > 0) {
      collect_tops(scratch, chunk, row.logprobs, x, keys, shared);
    }
    if (drawn) {
      adjust(arguments, row, chunk, x, logits);
    }
    if (filtered) {
      count_buckets(scratch, row, max, x, weights, counts, shared);
    } else if (drawn) {
      uint64_t weight = 0;
#pragma unroll
      for (int i = 0; i < LANE_TOKENS; i++) {
        weight += fixed_point(weight_of(x[i], max, row.temperature));
      }
      weight = block_sum(weight, shared->warps);
      if (t == 0) {
        scratch.chunks[chunk].weight = weight;
      }
    }
    if (!is_last(&scratch.weighed, shared)) {
      return;
    }
  } else if (chunk != 0) {
    return; // what is left to do is in the chunks' records
  }

  double log_sum = 0;
  if (row.logprobs >= 0) {
    log_sum = raw_log_sum(scratch, shared);
  }
  if (row.logprobs > 0) {
    report_tops(scratch, row, log_sum, keys, arguments.results[r]);
  }
  if (filtered) {
    if (t == 0) {
      scratch.log_sum = log_sum;
    }
    plan_choice(scratch, row, arguments.vocabulary, max, weights, counts, shared);
    return;
  }
  int token = best == NO_CANDIDATE ? NO_TOKEN : token_of(best);
  if (drawn) {
    token = draw_of_all(arguments, row, r, scratch, max, logits, shared);
  }
  report(arguments, row, r, log_sum, token);
}

// ---- sample_choose

// Among the ordered candidates of one bucket, the first at which the running sum, from the bucket's start, exceeds
// `mark`.
WEIR_DEVICE Found find_in_bucket(const SamplePlan &plan, float temperature, int bucket, uint64_t mark,
                                 const uint64_t *candidates, SampleShared *shared) {
  return find<MAX_CANDIDATES>(mark, shared, [&plan, temperature, bucket, candidates](int i) {
    if (i >= plan.candidates || bucket_of(logit_of(candidates[i]), plan.max) != bucket) {
      return uint64_t{0};
    }
    return fixed_point(weight_of(logit_of(candidates[i]), plan.max, temperature));
  });
}

// The collected candidates decide. `candidates` is shared, in order.
WEIR_DEVICE int choose_of_collected(const SampleRow &row, const SamplePlan &plan, const uint64_t *weights,
                                    const uint64_t *candidates, SampleShared *shared) {
  const auto weight = [weights](int b) { return weights[b]; };
  const auto is_in_last = [&plan, candidates](int i) {
    return i < plan.candidates && bucket_of(logit_of(candidates[i]), plan.max) == plan.last;
  };
  uint64_t kept = plan.weight;
  if (plan.part != 0) {
    const Found end = find<MAX_CANDIDATES>(static_cast<uint64_t>(plan.part - 1), shared,
                                           [is_in_last](int i) { return static_cast<uint64_t>(is_in_last(i)); });
    uint64_t part = 0;
    for (int i = thread_index(); i <= end.at; i += SAMPLE_THREADS) {
      part += is_in_last(i) ? fixed_point(weight_of(logit_of(candidates[i]), plan.max, row.temperature)) : 0;
    }
    kept += block_sum(part, shared->warps);
  }
  if (row.top_p < 1) {
    const uint64_t mark = prefix_mark(row, kept);
    const Found bucket = find<BUCKETS>(mark, shared, weight);
    const Found end = find_in_bucket(plan, row.temperature, static_cast<int>(bucket.at), mark - bucket.before,
                                     candidates, shared);
    kept = bucket.before + end.before +
           fixed_point(weight_of(logit_of(candidates[end.at]), plan.max, row.temperature));
  }
  const uint64_t mark = draw_mark(row, kept);
  const Found bucket = find<BUCKETS>(mark, shared, weight);
  const Found drawn =
      find_in_bucket(plan, row.temperature, static_cast<int>(bucket.at), mark - bucket.before, candidates, shared);
  return token_of(candidates[drawn.at]);
}

struct Reached {
  int token;
  uint64_t through; // the sum of the weights of all candidates up to it
};

struct SearchMemory {
  float *logits;     // [CHUNK]
  uint64_t *weights; // [BUCKETS]
  int32_t *counts;   // [BUCKETS]
  SampleShared *shared;
};

// The first candidate of the whole row at which the running sum, of ones or of weights, exceeds `mark`: digit by digit,
// each with a histogram of the candidates that share the digits before it.
WEIR_DEVICE Reached search(const SampleArguments &arguments, const SampleRow &row, int64_t r, float max, bool by_count,
                           uint64_t mark, const SearchMemory &memory) {
  constexpr int TOKEN_BITS = SEARCH_LEVELS * SEARCH_BITS - 32;
  static_assert(MAX_CHUNKS * CHUNK <= 1 << TOKEN_BITS, "a token fits its bits");
  uint64_t *const weights = memory.weights;
  int32_t *const counts = memory.counts;
  uint64_t digits = 0;
  uint64_t through = 0;
  for (int level = SEARCH_LEVELS - 1; level >= 0; level--) {
    sync_block();
    for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
      weights[b] = 0;
      counts[b] = 0;
    }
    sync_block();
    for (int chunk = 0; chunk < grid_size(); chunk++) {
      float x[LANE_TOKENS];
      load_adjusted(arguments, row, r, chunk, x, memory.logits);
#pragma unroll
      for (int i = 0; i < LANE_TOKENS; i++) {
        const uint64_t candidate = candidate_of(x[i], first_token(chunk) + offset_of(i));
        const uint64_t compact = candidate >> 32 << TOKEN_BITS | static_cast<uint32_t>(candidate);
        if (candidate != NO_CANDIDATE && compact >> ((level + 1) * SEARCH_BITS) == digits) {
          const int digit = static_cast<int>(compact >> (level * SEARCH_BITS)) & (BUCKETS - 1);
          atomic_add(&weights[digit], fixed_point(weight_of(x[i], max, row.temperature)));
          atomic_add(&counts[digit], 1);
        }
      }
    }
    sync_block();
    const Found found = find<BUCKETS>(mark, memory.shared, [weights, counts, by_count](int b) {
      return by_count ? static_cast<uint64_t>(counts[b]) : weights[b];
    });
    mark -= found.before;
    uint64_t before = 0;
    for (int b = thread_index(); b < found.at; b += SAMPLE_THREADS) {
      before += weights[b];
    }
    through += block_sum(before, memory.shared->warps);
    digits = digits << SEARCH_BITS | static_cast<uint64_t>(found.at);
  }
  through += weights[digits & (BUCKETS - 1)];
  return Reached{static_cast<int>(digits & ((1 << TOKEN_BITS) - 1)), through};
}

WEIR_DEVICE int choose_of_all(const SampleArguments &arguments, const SampleRow &row, int64_t r,
                              const SamplePlan &plan, const SearchMemory &memory) {
  uint64_t kept = plan.weight;
  if (plan.part != 0) {
    const uint64_t mark = static_cast<uint64_t>(plan.limit - 1);
    kept = search(arguments, row, r, plan.max, true, mark, memory).through;
  }
  if (row.top_p < 1) {
    kept = search(arguments, row, r, plan.max, false, prefix_mark(row, kept), memory).through;
  }
  return search(arguments, row, r, plan.max, false, draw_mark(row, kept), memory).token;
}

WEIR_KERNEL(sample_choose, SampleArguments, SAMPLE_THREADS, 4, 0) {
  WEIR_SHARED(float, logits, CHUNK);
  WEIR_SHARED(uint64_t, weights, BUCKETS);
  WEIR_SHARED(int32_t, counts, BUCKETS);
  WEIR_SHARED(uint64_t, candidates, MAX_CANDIDATES);
  WEIR_SHARED(SampleShared, shared, 1);
  const int chunk = block_index();
  const int64_t r = arguments.first_row + block_index_y();
  if (arguments.counts != nullptr && r >= arguments.counts[2]) {
    return;
  }
  SampleScratch &scratch = arguments.scratch[block_index_y()];
  if (scratch.plan.decision == DECIDED) {
    return;
  }
  const SampleRow row = arguments.rows[r];
  const SamplePlan plan = scratch.plan;
  int token;
  if (plan.decision == SEARCH) {
    if (chunk != 0) {
      return;
    }
    token = choose_of_all(arguments, row, r, plan, SearchMemory{logits, weights, counts, shared});
  } else {
    const uint64_t best = scratch.chunks[chunk].best;
    const int nearest = best == NO_CANDIDATE ? BUCKETS : bucket_of(logit_of(best), plan.max);
    if (nearest <= plan.last) {
      float x[LANE_TOKENS];
      load_adjusted(arguments, row, r, chunk, x, logits);
#pragma unroll
      for (int i = 0; i < LANE_TOKENS; i++) {
        if (x[i] > BANNED && is_collected(plan, bucket_of(x[i], plan.max))) {
          const int at = atomic_add(&scratch.candidate_count, 1);
          scratch.candidates[at] = candidate_of(x[i], first_token(chunk) + offset_of(i));
        }
      }
    }
    if (!is_last(&scratch.chosen, shared)) {
      return;
    }
    int size = 1;
    while (size < plan.candidates) {
      size *= 2;
    }
    for (int i = thread_index(); i < size; i += SAMPLE_THREADS) {
      candidates[i] = i < plan.candidates ? scratch.candidates[i] : NO_CANDIDATE;
    }
    for (int b = thread_index(); b < BUCKETS; b += SAMPLE_THREADS) {
      weights[b] = scratch.weights[b];
    }
    sort(candidates, size);
    token = choose_of_collected(row, plan, weights, candidates, shared);
  }
  report(arguments, row, r, scratch.log_sum, token);
}

} // namespace weir
