#include "ceiling.h"

#define READ_CHUNK ((int64_t)1 << 20)

static uint64_t read_portable(const void *memory, int64_t bytes) {
  const uint64_t *words = memory;
  uint64_t sum = 0;
  for (int64_t i = 0; i < bytes / 8; i++) sum ^= words[i];
  return sum;
}

#define PORTABLE_LANES 32

static int64_t flops_portable(int64_t rounds, float *sink) {
  float sums[PORTABLE_LANES] = {0};
  for (int64_t round = 0; round < rounds; round++) {
    for (int i = 0; i < PORTABLE_LANES; i++) sums[i] = sums[i] * 0.5f + 1.0f;
  }
  for (int i = 0; i < PORTABLE_LANES; i++) *sink += sums[i];
  return rounds * PORTABLE_LANES * 2;
}

typedef struct {
  weir_read_fn *read;
  const char *memory;
  int64_t bytes;
  uint64_t *sums; // one per worker, a cache line apart
} read_job;

#define LINE_WORDS 8

static void read_chunk(void *context, int64_t chunk, int worker) {
  read_job *job = context;
  int64_t first = chunk * READ_CHUNK;
  job->sums[worker * LINE_WORDS] ^= job->read(job->memory + first, weir_min(READ_CHUNK, job->bytes - first));
}

// Reads memory once with all threads; bytes is a multiple of 1024. *sink gets a value that depends on every byte.
WEIR_EXPORT int weir_ceiling_read(weir_device *device, const void *memory, int64_t bytes, uint64_t *sink) {
  weir_read_fn *read = read_portable;
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX2) read = weir_read_avx2;
  if (device->isa >= WEIR_AVX512) read = weir_read_avx512;
#endif
  int threads = weir_threads(device);
  uint64_t *sums = weir_scratch(device, (size_t)threads * LINE_WORDS * sizeof *sums);
  if (!sums) return WEIR_NO_MEMORY;
  for (int i = 0; i < threads; i++) sums[i * LINE_WORDS] = 0;
  read_job job = {read, memory, bytes, sums};
  weir_parallel_for(device, weir_ceil_div(bytes, READ_CHUNK), read_chunk, &job);
  *sink = 0;
  for (int i = 0; i < threads; i++) *sink ^= sums[i * LINE_WORDS];
  return WEIR_OK;
}

typedef struct {
  weir_flops_fn *flops;
  int64_t rounds;
  float *sinks; // one per chunk, a cache line apart
  int64_t *counts;
} flops_job;

#define LINE_FLOATS 16
#define FLOPS_CHUNKS_PER_THREAD 8

static void flops_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  flops_job *job = context;
  job->counts[chunk] = job->flops(job->rounds, &job->sinks[chunk * LINE_FLOATS]);
}

// Multiplies and adds in registers with all threads, on the unit that `linear` uses for weights of `type`.
// *operations gets the floating-point operations done.
WEIR_EXPORT int weir_ceiling_flops(weir_device *device, int type, int64_t rounds, int64_t *operations) {
  weir_flops_fn *flops = flops_portable;
#if defined(__x86_64__)
  if (device->isa >= WEIR_AVX2) flops = weir_flops_avx2;
  if (device->isa >= WEIR_AVX512) flops = weir_flops_avx512;
  if (device->isa >= WEIR_AVX512BF16 && type == WEIR_BF16) flops = weir_flops_avx512bf16;
  if (device->matrix == WEIR_AMX && type == WEIR_BF16) flops = weir_flops_amx;
#else
  (void)type;
#endif
  int64_t chunks = (int64_t)weir_threads(device) * FLOPS_CHUNKS_PER_THREAD;
  float *sinks = weir_scratch(device, (size_t)chunks * (LINE_FLOATS * sizeof *sinks + sizeof(int64_t)));
  if (!sinks) return WEIR_NO_MEMORY;
  for (int64_t i = 0; i < chunks * LINE_FLOATS; i++) sinks[i] = 0;
  flops_job job = {flops, rounds, sinks, (int64_t *)(sinks + chunks * LINE_FLOATS)};
  weir_parallel_for(device, chunks, flops_chunk, &job);
  *operations = 0;
  for (int64_t i = 0; i < chunks; i++) *operations += job.counts[i];
  return WEIR_OK;
}
