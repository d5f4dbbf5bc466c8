// rotateAndCache and copyBlocks.
#include "cache.h"

#include <string.h>

#include "norm.h"

typedef struct {
  weir_step step;
  weir_cache cache;
  weir_norm_row_fn *norm;
  weir_rotate_head_fn *rotate;
  weir_round_head_fn *round;
  int64_t heads;
  int64_t rotary_dim;
  const float *cosines;
  const float *sines;
  const float *query_norm;
  const float *key_norm;
  float epsilon;
  float *qkv;
  int64_t tokens;
  int64_t tokens_per_chunk;
} rotate_job;

static void write_f32(const weir_cache *cache, float *keys, float *values, int64_t slot, const float *key,
                      const float *value) {
  for (int64_t d = 0; d < cache->head_dim; d++) keys[d * TILE_TOKENS + slot] = key[d];
  memcpy(values + slot * cache->head_dim, value, (size_t)cache->head_dim * sizeof *value);
}

static void write_bf16(const weir_cache *cache, weir_round_head_fn *round, char *keys, uint16_t *values, int64_t slot,
                       const float *key, const float *value) {
  int64_t dim = cache->head_dim;
  uint16_t rounded[MAX_HEAD_DIM];
  round(key, dim, rounded);
  for (int64_t d = 0; d < dim; d += 2) memcpy(keys + (d / 2 * TILE_TOKENS + slot) * 4, rounded + d, 4);
  round(value, dim, rounded);
  uint16_t *to = values + slot / 2 * dim * 2 + slot % 2;
  for (int64_t d = 0; d < dim; d++) to[2 * d] = rounded[d];
}

// Zeroes the values of slots first … 63.
static void clear_values(const weir_cache *cache, char *tile, int64_t first) {
  int64_t dim = cache->head_dim;
  if (cache->type == WEIR_F32) {
    memset(tile + first * dim * 4, 0, (size_t)((TILE_TOKENS - first) * dim * 4));
    return;
  }
  uint16_t *values = (uint16_t *)tile;
  if (first % 2) {
    for (int64_t d = 0; d < dim; d++) values[(first / 2 * dim + d) * 2 + 1] = 0;
    first++;
  }
  memset(values + first * dim, 0, (size_t)((TILE_TOKENS - first) * dim * 2));
}

static void rotate_token(const rotate_job *job, int64_t token) {
  const weir_step *step = &job->step;
  const weir_cache *cache = &job->cache;
  int64_t dim = cache->head_dim;
  int64_t half = job->rotary_dim / 2;
  int64_t position = step->positions[token];
  int64_t slice = step->token_slices[token];
  float *row = job->qkv + token * (job->heads + 2 * cache->kv_heads) * dim;
  const float *cosines = job->cosines + position * half;
  const float *sines = job->sines + position * half;

  float *queries_end = row + job->heads * dim;
  float *keys_end = queries_end + cache->kv_heads * dim;
  for (float *head = row; head < keys_end; head += dim) {
    const float *weight = head < queries_end ? job->query_norm : job->key_norm;
    if (weight) job->norm(head, NULL, NULL, weight, job->epsilon, dim, head);
    job->rotate(head, cosines, sines, half);
  }

  int64_t block = weir_block(step, slice, position);
  int64_t slot = position % TILE_TOKENS;
  // The first token of a block clears what no token of this step will write; the others find it cleared.
  int64_t written = weir_min(TILE_TOKENS, step->slice_offsets[slice + 1] - token);
  for (int64_t h = 0; h < cache->kv_heads; h++) {
    char *keys = weir_key_tile(cache, block, h);
    char *values = weir_value_tile(cache, block, h);
    if (slot == 0 && written < TILE_TOKENS) clear_values(cache, values, written);
    const float *key = queries_end + h * dim;
    const float *value = keys_end + h * dim;
    if (cache->type == WEIR_F32) {
      write_f32(cache, (float *)keys, (float *)values, slot, key, value);
    } else {
      write_bf16(cache, job->round, keys, (uint16_t *)values, slot, key, value);
    }
  }
}

// Neighbours in a block share cache lines of its key tiles, so a thread takes a run of them.
#define MOST_TOKENS_PER_CHUNK 64
#define CHUNKS_PER_THREAD 4

static void rotate_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const rotate_job *job = context;
  int64_t first = chunk * job->tokens_per_chunk;
  int64_t end = weir_min(first + job->tokens_per_chunk, job->tokens);
  for (int64_t token = first; token < end; token++) rotate_token(job, token);
}

// Norms may be NULL, both or none. Every size and every index was checked before the call.
WEIR_EXPORT int weir_rotate_and_cache(weir_device *device, int64_t tokens, const int32_t *positions,
                                      const int32_t *token_slices, const int32_t *slice_offsets,
                                      const int32_t *table_rows, const int32_t *table, int64_t table_width,
                                      char *memory, int64_t block_bytes, int64_t layer_bytes, int64_t layer, int type,
                                      int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t rotary_dim,
                                      const float *cosines, const float *sines, const float *query_norm,
                                      const float *key_norm, float epsilon, float *qkv) {
  rotate_job job = {
      .step = {positions, token_slices, slice_offsets, table_rows, table, table_width},
      .cache = {memory, block_bytes, layer_bytes, layer, type, kv_heads, head_dim},
      .norm = weir_norm_row_portable,
      .rotate = weir_rotate_head_portable,
      .round = weir_round_head_portable,
      .heads = heads,
      .rotary_dim = rotary_dim,
      .cosines = cosines,
      .sines = sines,
      .query_norm = query_norm,
      .key_norm = key_norm,
      .epsilon = epsilon,
      .qkv = qkv,
      .tokens = tokens,
      .tokens_per_chunk =
          weir_min(MOST_TOKENS_PER_CHUNK, weir_ceil_div(tokens, CHUNKS_PER_THREAD * weir_threads(device))),
  };
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX512) {
    job.norm = weir_norm_row_avx512;
    job.rotate = weir_rotate_head_avx512;
    job.round = weir_round_head_avx512;
  } else if (device->isa >= WEIR_AVX2) {
    job.norm = weir_norm_row_avx2;
    job.rotate = weir_rotate_head_avx2;
    job.round = weir_round_head_avx2;
  }
#endif
  weir_parallel_for_work(device, tokens * (heads + 2 * kv_heads) * head_dim * 4,
                         weir_ceil_div(tokens, job.tokens_per_chunk), rotate_chunk, &job);
  return WEIR_OK;
}

// ---- copyBlocks

typedef struct {
  char *memory;
  int64_t block_bytes;
  int64_t source;
  int64_t destination;
} copy_job;

// A large piece per chunk: a copy is bound by memory, not by the cutting.
#define COPY_PIECE ((int64_t)256 << 10)

static void copy_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const copy_job *job = context;
  int64_t at = chunk * COPY_PIECE;
  memcpy(job->memory + job->destination * job->block_bytes + at, job->memory + job->source * job->block_bytes + at,
         (size_t)weir_min(COPY_PIECE, job->block_bytes - at));
}

// Pair after pair: a block may be a destination and then a source.
WEIR_EXPORT int weir_copy_blocks(weir_device *device, char *memory, int64_t blocks, int64_t block_bytes, int64_t count,
                                 const int32_t *pairs) {
  for (int64_t i = 0; i < 2 * count; i++) {
    if (pairs[i] < 0 || pairs[i] >= blocks) return WEIR_BAD_INDEX;
  }
  for (int64_t i = 0; i < count; i++) {
    if (pairs[2 * i] == pairs[2 * i + 1]) continue;
    copy_job job = {memory, block_bytes, pairs[2 * i], pairs[2 * i + 1]};
    weir_parallel_for_work(device, block_bytes, weir_ceil_div(block_bytes, COPY_PIECE), copy_chunk, &job);
  }
  return WEIR_OK;
}
