// attention: units of work, threads, segments; the arithmetic is in attention_*.c.
//
// A unit is up to BLOCK_ROWS query rows of one slice that read the same key/value head. It walks the tiles of its
// segments; the state of each segment is computed by itself and folded into the whole in order. So it makes no
// difference to any bit whether one thread takes all segments of a unit, or each another one.
#include "attention.h"

#include <math.h>
#include <string.h>

// Segments of a unit are shared out where one unit is more than this part of a thread's fair share.
#define LARGEST_SHARE 4

// Memory for the states of segments that are shared out.
#define MOST_STATE_BYTES ((int64_t)64 << 20)

typedef struct {
  int32_t slice;
  int32_t kv_head;
  int32_t first_row; // of the slice's tokens * group rows
  int32_t rows;
  int32_t first_segment;
  int32_t segments;
  int64_t first_piece; // where pieces are (unit, segment) pairs
} attention_unit;

typedef struct {
  const weir_attention_kernel *kernel;
  weir_step step;
  weir_cache cache;
  int64_t heads;
  int64_t group;
  float scale;
  float soft_cap;
  int64_t window;
  const float *qkv;
  float *out;
  int64_t state_stride;
  int64_t state_floats; // of BLOCK_ROWS rows
  attention_unit *units;
  int64_t unit_count;
  char *workers;
  int64_t worker_bytes;
  float *pieces; // states of segments that are shared out
} attention_job;

// A worker's memory.
typedef struct {
  weir_attention_rows rows;
  int32_t positions[BLOCK_ROWS];
  float corrections[BLOCK_ROWS];
  _Alignas(64) float scores[BLOCK_ROWS * TILE_TOKENS];
  _Alignas(64) uint16_t weights[BLOCK_ROWS * TILE_TOKENS];
  _Alignas(64) float queries[]; // then the states of a segment and of the whole
} attention_worker;

static weir_softmax_state state_at(float *memory) {
  return (weir_softmax_state){memory, memory + BLOCK_ROWS, memory + 2 * BLOCK_ROWS};
}

static void clear_state(const attention_job *job, weir_softmax_state *state, int rows) {
  for (int r = 0; r < rows; r++) {
    state->largest[r] = -INFINITY;
    state->sum[r] = 0;
  }
  memset(state->values, 0, (size_t)(rows * job->state_stride) * sizeof(float));
}

static attention_worker *worker_memory(const attention_job *job, int worker) {
  return (attention_worker *)(job->workers + worker * job->worker_bytes);
}

static float *worker_states(const attention_job *job, attention_worker *worker) {
  return worker->queries + weir_round_up(BLOCK_ROWS * job->cache.head_dim, STATE_MULTIPLE);
}

// Gathers a unit's queries and positions.
static void prepare(const attention_job *job, const attention_unit *unit, attention_worker *worker) {
  int64_t dim = job->cache.head_dim;
  int64_t columns = (job->heads + 2 * job->cache.kv_heads) * dim;
  int64_t first_token = job->step.slice_offsets[unit->slice];
  for (int r = 0; r < unit->rows; r++) {
    int64_t row = unit->first_row + r;
    int64_t token = first_token + row / job->group;
    int64_t head = unit->kv_head * job->group + row % job->group;
    worker->positions[r] = job->step.positions[token];
    job->kernel->prepare(job->qkv + token * columns + head * dim, dim, worker->queries, r);
  }
  worker->rows = (weir_attention_rows){
      .rows = unit->rows,
      .head_dim = dim,
      .state_stride = job->state_stride,
      .scale = job->scale,
      .soft_cap = job->soft_cap,
      .window = job->window,
      .row_positions = worker->positions,
      .queries = worker->queries,
      .scores = worker->scores,
      .weights = worker->weights,
      .corrections = worker->corrections,
  };
}

static void run_segment(const attention_job *job, const attention_unit *unit, attention_worker *worker,
                        int64_t segment, weir_softmax_state *state) {
  clear_state(job, state, unit->rows);
  int64_t oldest = worker->positions[0] - job->window + 1;
  int64_t newest = worker->positions[unit->rows - 1];
  int64_t start = segment * SEGMENT_TOKENS;
  if (oldest > start) start = oldest / TILE_TOKENS * TILE_TOKENS;
  int64_t end = weir_min((segment + 1) * SEGMENT_TOKENS, newest + 1);
  for (; start < end; start += TILE_TOKENS) {
    int64_t block = weir_block(&job->step, unit->slice, start);
    int64_t next = start + TILE_TOKENS <= newest ? weir_block(&job->step, unit->slice, start + TILE_TOKENS) : block;
    job->kernel->tile(&worker->rows, weir_key_tile(&job->cache, block, unit->kv_head),
                      weir_value_tile(&job->cache, block, unit->kv_head),
                      weir_key_tile(&job->cache, next, unit->kv_head), start, state);
  }
}

static void finish(const attention_job *job, const attention_unit *unit, const weir_softmax_state *whole) {
  int64_t dim = job->cache.head_dim;
  for (int r = 0; r < unit->rows; r++) {
    int64_t row = unit->first_row + r;
    int64_t token = job->step.slice_offsets[unit->slice] + row / job->group;
    int64_t head = unit->kv_head * job->group + row % job->group;
    float *out = job->out + (token * job->heads + head) * dim;
    const float *values = whole->values + r * job->state_stride;
    for (int64_t d = 0; d < dim; d++) out[d] = values[d] / whole->sum[r];
  }
}

// One thread takes a whole unit.
static void unit_chunk(void *context, int64_t chunk, int number) {
  const attention_job *job = context;
  const attention_unit *unit = &job->units[chunk];
  attention_worker *worker = worker_memory(job, number);
  float *states = worker_states(job, worker);
  weir_softmax_state part = state_at(states);
  weir_softmax_state whole = state_at(states + job->state_floats);
  prepare(job, unit, worker);
  clear_state(job, &whole, unit->rows);
  for (int64_t s = 0; s < unit->segments; s++) {
    run_segment(job, unit, worker, unit->first_segment + s, &part);
    job->kernel->fold(unit->rows, job->state_stride, &part, &whole);
  }
  finish(job, unit, &whole);
}

// One thread takes one segment of a unit …
static void piece_chunk(void *context, int64_t piece, int number) {
  const attention_job *job = context;
  int64_t low = 0, high = job->unit_count - 1;
  while (low < high) { // the last unit that does not start behind the piece
    int64_t middle = (low + high + 1) / 2;
    if (job->units[middle].first_piece <= piece) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const attention_unit *unit = &job->units[low];
  attention_worker *worker = worker_memory(job, number);
  prepare(job, unit, worker);
  weir_softmax_state part = state_at(job->pieces + piece * job->state_floats);
  run_segment(job, unit, worker, unit->first_segment + piece - unit->first_piece, &part);
}

// … and one folds them.
static void fold_chunk(void *context, int64_t chunk, int number) {
  const attention_job *job = context;
  const attention_unit *unit = &job->units[chunk];
  weir_softmax_state whole = state_at(worker_states(job, worker_memory(job, number)));
  clear_state(job, &whole, unit->rows);
  for (int64_t s = 0; s < unit->segments; s++) {
    weir_softmax_state part = state_at(job->pieces + (unit->first_piece + s) * job->state_floats);
    job->kernel->fold(unit->rows, job->state_stride, &part, &whole);
  }
  finish(job, unit, &whole);
}

static const weir_attention_kernel *choose_kernel(const weir_device *device, int type) {
#if defined(__x86_64__)
  if (type == WEIR_BF16 && device->isa >= WEIR_AVX512BF16) return &weir_attention_bf16_avx512bf16;
  if (device->isa >= WEIR_AVX512) {
    return type == WEIR_F32 ? &weir_attention_f32_avx512 : &weir_attention_bf16_avx512;
  }
  if (device->isa >= WEIR_AVX2) return type == WEIR_F32 ? &weir_attention_f32_avx2 : &weir_attention_bf16_avx2;
#endif
  (void)device;
  return type == WEIR_F32 ? &weir_attention_f32_portable : &weir_attention_bf16_portable;
}

// Cuts the step into units: counts and measures them, and lists them once there is memory for the list.
static void cut_units(attention_job *job, int64_t slices, int64_t *pieces, int64_t *work, int64_t *largest) {
  job->unit_count = *pieces = *work = *largest = 0;
  const int32_t *offsets = job->step.slice_offsets;
  for (int64_t s = 0; s < slices; s++) {
    int64_t rows = (offsets[s + 1] - offsets[s]) * job->group;
    for (int64_t h = 0; h < job->cache.kv_heads; h++) {
      for (int64_t row = 0; row < rows; row += BLOCK_ROWS) {
        int64_t count = weir_min(BLOCK_ROWS, rows - row);
        int64_t first = job->step.positions[offsets[s] + row / job->group] - job->window + 1;
        int64_t last = job->step.positions[offsets[s] + (row + count - 1) / job->group];
        if (first < 0) first = 0;
        int64_t first_segment = first / SEGMENT_TOKENS;
        int64_t segments = last / SEGMENT_TOKENS - first_segment + 1;
        if (job->units) {
          job->units[job->unit_count] =
              (attention_unit){(int32_t)s,     (int32_t)h,       (int32_t)row, (int32_t)count, (int32_t)first_segment,
                               (int32_t)segments, *pieces};
        }
        int64_t unit_work = count * (last - first + 1) * job->cache.head_dim * 2;
        job->unit_count++;
        *pieces += segments;
        *work += unit_work;
        if (unit_work > *largest) *largest = unit_work;
      }
    }
  }
}

// Every size and every index was checked before the call.
WEIR_EXPORT int weir_attention(weir_device *device, int64_t slices, const int32_t *positions,
                               const int32_t *slice_offsets, const int32_t *table_rows, const int32_t *table,
                               int64_t table_width, char *memory, int64_t block_bytes, int64_t layer_bytes,
                               int64_t layer, int type, int64_t heads, int64_t kv_heads, int64_t head_dim, float scale,
                               int64_t window, float soft_cap, const float *qkv, float *out) {
  attention_job job = {
      .kernel = choose_kernel(device, type),
      .step = {positions, NULL, slice_offsets, table_rows, table, table_width},
      .cache = {memory, block_bytes, layer_bytes, layer, type, kv_heads, head_dim},
      .heads = heads,
      .group = heads / kv_heads,
      .scale = scale,
      .soft_cap = soft_cap,
      .window = window,
      .qkv = qkv,
      .out = out,
      .state_stride = weir_round_up(head_dim, STATE_MULTIPLE),
  };
  job.state_floats = BLOCK_ROWS * (job.state_stride + 2);
  job.worker_bytes = weir_round_up((int64_t)sizeof(attention_worker), 64) +
                     (weir_round_up(BLOCK_ROWS * head_dim, STATE_MULTIPLE) + 2 * job.state_floats) * 4;
  job.worker_bytes = weir_round_up(job.worker_bytes, 64);

  int64_t pieces = 0, work = 0, largest = 0;
  cut_units(&job, slices, &pieces, &work, &largest);
  int threads = weir_threads(device);
  int64_t unit_bytes = weir_round_up(job.unit_count * (int64_t)sizeof(attention_unit), 64);
  int64_t worker_bytes = threads * job.worker_bytes;
  int64_t piece_bytes = pieces * job.state_floats * 4;
  int share_out = threads > 1 && pieces > job.unit_count && piece_bytes <= MOST_STATE_BYTES &&
                  largest * threads * LARGEST_SHARE > work;
  char *scratch = weir_scratch(device, (size_t)(unit_bytes + worker_bytes + (share_out ? piece_bytes : 0)));
  if (!scratch) return WEIR_NO_MEMORY;
  job.units = (attention_unit *)scratch;
  job.pieces = (float *)(scratch + unit_bytes + worker_bytes);
  cut_units(&job, slices, &pieces, &work, &largest);
  job.workers = scratch + unit_bytes;
  if (share_out) {
    weir_parallel_for_work(device, work, pieces, piece_chunk, &job);
    weir_parallel_for_work(device, work, job.unit_count, fold_chunk, &job);
  } else {
    weir_parallel_for_work(device, work, job.unit_count, unit_chunk, &job);
  }
  return WEIR_OK;
}
