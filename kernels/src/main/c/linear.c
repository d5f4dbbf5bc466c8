// linear, embed and pack: checks, blocking and threads; the arithmetic is in linear_*.c.
#include "linear.h"

#include <string.h>

#include "convert.h"

static int64_t element_bytes(int type) { return type == WEIR_F32 ? 4 : 2; }

static int64_t packed_depth(int type, int64_t columns) {
  return type == WEIR_BF16 ? weir_round_up(columns, BF16_DEPTH_MULTIPLE) : columns;
}

static int64_t panel_bytes(int type, int64_t columns) {
  return packed_depth(type, columns) * PANEL * element_bytes(type);
}

WEIR_EXPORT int64_t weir_packed_bytes(int type, int64_t rows, int64_t columns) {
  return weir_ceil_div(rows, PANEL) * panel_bytes(type, columns);
}

static const weir_linear_kernel *choose_kernel(const weir_device *device, int type) {
#if defined(__x86_64__)
  if (type == WEIR_BF16 && device->matrix == WEIR_AMX) return &weir_linear_bf16_amx;
#endif
  if (type == WEIR_BF16 && device->matrix == WEIR_AMX_EMULATED) return &weir_linear_bf16_amx_emulated;
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX512BF16 && type == WEIR_BF16) return &weir_linear_bf16_avx512bf16;
  if (device->isa >= WEIR_AVX512) {
    return type == WEIR_F32   ? &weir_linear_f32_avx512
           : type == WEIR_F16 ? &weir_linear_f16_avx512
                              : &weir_linear_bf16_avx512;
  }
  if (device->isa >= WEIR_AVX2) {
    return type == WEIR_F32   ? &weir_linear_f32_avx2
           : type == WEIR_F16 ? &weir_linear_f16_avx2
                              : &weir_linear_bf16_avx2;
  }
#endif
  return type == WEIR_F32   ? &weir_linear_f32_portable
         : type == WEIR_F16 ? &weir_linear_f16_portable
                            : &weir_linear_bf16_portable;
}

// ---- rounding of activations

typedef struct {
  const float *in;
  uint16_t *out;
  int64_t columns;
  int64_t out_stride;
  int vector;
} round_job;

static void round_row(void *context, int64_t row, int worker) {
  (void)worker;
  const round_job *job = context;
  const float *in = job->in + row * job->columns;
  uint16_t *out = job->out + row * job->out_stride;
#if defined(__x86_64__)
  if (job->vector) {
    weir_round_avx512bf16(in, job->columns, out);
  } else
#endif
  {
    for (int64_t k = 0; k < job->columns; k++) out[k] = weir_f32_to_bf16(in[k]);
  }
  memset(out + job->columns, 0, (size_t)(job->out_stride - job->columns) * sizeof *out);
}

// ---- linear

typedef struct {
  const weir_linear_kernel *kernel;
  const char *a;
  int64_t a_stride;       // bytes
  int64_t a_element;      // bytes
  int64_t rows;
  int64_t rows_per_chunk;
  int64_t row_blocks;
  int64_t panels;
  int64_t panels_per_chunk;
  const char *packed;
  int64_t panel_bytes;
  int64_t depth_bytes;     // of one of K in a panel
  int64_t depth;
  int64_t outputs;
  const float *bias;
  float *out;
} linear_job;

// Tokens are cut into tiles whose sizes differ by at most one, so that no tile is nearly empty.
static void run_tiles(const linear_job *job, int64_t row, int64_t rows, int64_t step, int64_t depth, const char *b,
                      float *c, int64_t c_stride, int accumulate) {
  int64_t tiles = weir_ceil_div(rows, job->kernel->tile_rows);
  for (int64_t tile = 0; tile < tiles; tile++) {
    int count = (int)(rows / tiles + (tile < rows % tiles));
    job->kernel->tile(job->a + row * job->a_stride + step * job->a_element, job->a_stride, count, b, depth, c,
                      c_stride, (accumulate ? WEIR_ACCUMULATE : 0) | (tile == 0 ? WEIR_STREAM : 0));
    row += count;
    c += count * c_stride;
  }
}

static void linear_panel(const linear_job *job, int64_t panel, int64_t first, int64_t rows) {
  int64_t output = panel * PANEL;
  int64_t width = weir_min(PANEL, job->outputs - output);
  const char *b = job->packed + panel * job->panel_bytes;
  float *out = job->out + first * job->outputs + output;
  if (width == PANEL) {
    // A block of K passes all tokens while it is in cache; between blocks the sums rest in `out`, unrounded.
    int64_t block = rows <= job->kernel->tile_rows ? job->depth : job->kernel->depth_block;
    for (int64_t step = 0; step < job->depth; step += block) {
      run_tiles(job, first, rows, step, weir_min(block, job->depth - step), b + step * job->depth_bytes, out,
                job->outputs, step > 0);
    }
  } else {
    float c[MAX_TILE_ROWS * PANEL];
    for (int64_t row = 0; row < rows; row += MAX_TILE_ROWS) {
      int64_t count = weir_min(MAX_TILE_ROWS, rows - row);
      run_tiles(job, first + row, count, 0, job->depth, b, c, PANEL, 0);
      for (int64_t r = 0; r < count; r++) {
        memcpy(out + (row + r) * job->outputs, c + r * PANEL, (size_t)width * sizeof *c);
      }
    }
  }
  if (job->bias) {
    const float *bias = job->bias + output;
    for (int64_t row = 0; row < rows; row++) {
      for (int64_t n = 0; n < width; n++) out[row * job->outputs + n] += bias[n];
    }
  }
}

static void linear_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const linear_job *job = context;
  int64_t panel = chunk / job->row_blocks * job->panels_per_chunk;
  int64_t end = weir_min(panel + job->panels_per_chunk, job->panels);
  int64_t row = chunk % job->row_blocks * job->rows_per_chunk;
  for (; panel < end; panel++) linear_panel(job, panel, row, weir_min(job->rows_per_chunk, job->rows - row));
  if (job->kernel->end) job->kernel->end();
}

// Enough chunks that a thread that is late leaves little behind.
#define CHUNKS_PER_THREAD 8

// out [rows][outputs] = in [rows][columns] · weight + bias, all activations F32; bias may be NULL.
WEIR_EXPORT int weir_linear(weir_device *device, int64_t rows, const float *in, int type, int64_t outputs,
                            int64_t columns, const void *packed, const float *bias, float *out) {
  const weir_linear_kernel *kernel = choose_kernel(device, type);
  int64_t depth = packed_depth(type, columns);
  linear_job job = {
      .kernel = kernel,
      .a = (const char *)in,
      .a_stride = columns * 4,
      .a_element = 4,
      .rows = rows,
      .packed = packed,
      .panel_bytes = panel_bytes(type, columns),
      .depth_bytes = PANEL * element_bytes(type),
      // Only kernels that read rounded, padded activations walk the padding of K.
      .depth = kernel->rounds_to_bf16 ? depth : columns,
      .outputs = outputs,
      .bias = bias,
      .out = out,
  };
  if (kernel->rounds_to_bf16) {
    // One cache line more than a row, so that the rows of a tile do not fall on the same cache sets.
    int64_t stride = depth + 32;
    uint16_t *rounded = weir_scratch(device, (size_t)(rows * stride) * sizeof *rounded);
    if (!rounded) return WEIR_NO_MEMORY;
    round_job rounding = {in, rounded, columns, stride, device->isa >= WEIR_AVX512BF16};
    weir_parallel_for_work(device, rows * columns, rows, round_row, &rounding);
    job.a = (const char *)rounded;
    job.a_stride = stride * 2;
    job.a_element = 2;
  }
  // Whole panels first; where they are too few for the threads, tokens are cut as well.
  int64_t wanted = (int64_t)CHUNKS_PER_THREAD * weir_threads(device);
  job.panels = weir_ceil_div(outputs, PANEL);
  job.panels_per_chunk = job.panels < wanted ? 1 : job.panels / wanted;
  job.rows_per_chunk = weir_round_up(weir_ceil_div(rows, weir_ceil_div(wanted, job.panels)), kernel->tile_rows);
  job.row_blocks = weir_ceil_div(rows, job.rows_per_chunk);
  int64_t chunks = weir_ceil_div(job.panels, job.panels_per_chunk) * job.row_blocks;
  weir_parallel_for_work(device, rows * outputs * columns, chunks, linear_chunk, &job);
  return WEIR_OK;
}

// ---- embed

typedef struct {
  const int32_t *ids;
  int type;
  int64_t columns;
  const char *packed;
  float *out;
} embed_job;

static void embed_row(void *context, int64_t row, int worker) {
  (void)worker;
  const embed_job *job = context;
  int64_t id = job->ids[row];
  const char *panel = job->packed + id / PANEL * panel_bytes(job->type, job->columns);
  int64_t lane = id % PANEL;
  float *out = job->out + row * job->columns;
  if (job->type == WEIR_F32) {
    const float *values = (const float *)panel + lane;
    for (int64_t k = 0; k < job->columns; k++) out[k] = values[k * PANEL];
  } else if (job->type == WEIR_F16) {
    const uint16_t *values = (const uint16_t *)panel + lane;
    for (int64_t k = 0; k < job->columns; k++) out[k] = weir_f16_to_f32(values[k * PANEL]);
  } else {
    const uint16_t *pairs = (const uint16_t *)panel + lane * 2;
    for (int64_t k = 0; k < job->columns; k++) {
      out[k] = weir_bf16_to_f32(pairs[k / 2 * PANEL * 2 + k % 2]);
    }
  }
}

// out [count][columns] = rows of the packed table.
WEIR_EXPORT int weir_embed(weir_device *device, int64_t count, const int32_t *ids, int type, int64_t rows,
                           int64_t columns, const void *packed, float *out) {
  for (int64_t i = 0; i < count; i++) {
    if (ids[i] < 0 || ids[i] >= rows) return WEIR_BAD_INDEX;
  }
  embed_job job = {ids, type, columns, packed, out};
  weir_parallel_for_work(device, count * columns, count, embed_row, &job);
  return WEIR_OK;
}

// ---- pack

typedef struct {
  int type;
  int64_t columns;
  char *packed;
  int64_t first_row;
  int64_t end_row;
  const char *source;
} pack_job;

// Steps of K that are transposed together: their part of a panel and of 64 source rows fits the first-level cache.
#define PACK_BLOCK 32

static void pack_panel(void *context, int64_t chunk, int worker) {
  (void)worker;
  const pack_job *job = context;
  int64_t panel = job->first_row / PANEL + chunk;
  int64_t lo = panel * PANEL < job->first_row ? job->first_row - panel * PANEL : 0;
  int64_t hi = weir_min(PANEL, job->end_row - panel * PANEL);
  char *to = job->packed + panel * panel_bytes(job->type, job->columns);
  int64_t columns = job->columns;
  int64_t source_row = panel * PANEL - job->first_row;
  for (int64_t k0 = 0; k0 < columns; k0 += PACK_BLOCK) {
    int64_t k1 = weir_min(k0 + PACK_BLOCK, columns);
    for (int64_t lane = lo; lane < hi; lane++) {
      int64_t row = source_row + lane;
      // Sources are rows of a file: they may lie at any address.
      const char *from = job->source + row * columns * element_bytes(job->type);
      if (job->type == WEIR_F32) {
        for (int64_t k = k0; k < k1; k++) memcpy(to + (k * PANEL + lane) * 4, from + k * 4, 4);
      } else if (job->type == WEIR_F16) {
        for (int64_t k = k0; k < k1; k++) memcpy(to + (k * PANEL + lane) * 2, from + k * 2, 2);
      } else {
        int64_t k = k0;
        for (; k + 1 < k1; k += 2) memcpy(to + (k / 2 * PANEL + lane) * 4, from + k * 2, 4);
        if (k < k1) memcpy(to + (k / 2 * PANEL + lane) * 4, from + k * 2, 2);
      }
    }
  }
}

// Packs rows first_row … first_row+count-1 from row-major elements of the weight's own type.
WEIR_EXPORT int weir_pack(weir_device *device, int type, int64_t columns, void *packed, int64_t first_row,
                          int64_t count, const void *source) {
  pack_job job = {type, columns, packed, first_row, first_row + count, source};
  int64_t panels = (first_row + count - 1) / PANEL - first_row / PANEL + 1;
  weir_parallel_for_work(device, count * columns, panels, pack_panel, &job);
  return WEIR_OK;
}
