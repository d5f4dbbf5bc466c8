// What every family of CPU kernels shares: type codes, error codes, the device, its worker threads.
// README.md in this folder says how a family is added.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WEIR_EXPORT __attribute__((visibility("default")))

// Element types, as dev.weir.kernels.cpu.Native numbers them.
enum { WEIR_F32 = 0, WEIR_F16 = 1, WEIR_BF16 = 2, WEIR_I32 = 3 };

// What an exported function returns. Java checks sizes before the call; here only what it cannot see is checked.
enum {
  WEIR_OK = 0,
  WEIR_NO_MEMORY = -1,   // scratch or threads could not be had
  WEIR_BAD_INDEX = -2,   // an index in device memory (a token id, a block number) is out of range
  WEIR_UNSUPPORTED = -3, // this machine or this build cannot do it
};

// Vector instruction levels, each containing the ones before it.
typedef enum {
  WEIR_PORTABLE = 0,
  WEIR_AVX2 = 1,       // with FMA and F16C
  WEIR_AVX512 = 2,     // F, BW, DQ, VL
  WEIR_AVX512BF16 = 3, // with vdpbf16ps
} weir_isa;

// The matrix unit, apart from the vector level: only the linear family uses it.
typedef enum {
  WEIR_NO_MATRIX = 0,
  WEIR_AMX = 1,
  WEIR_AMX_EMULATED = 2, // tile instructions in plain C, for tests
} weir_matrix;

typedef struct weir_pool weir_pool;

// One open device. Its ops are called by one thread at a time.
typedef struct {
  weir_isa isa;
  weir_matrix matrix;
  weir_pool *pool;
  void *scratch;
  size_t scratch_bytes;
} weir_device;

// Work on chunk `chunk`, called by worker `worker` (0 is the calling thread).
typedef void weir_chunk_fn(void *context, int64_t chunk, int worker);

// Calls fn for chunks 0 … chunks-1, each exactly once, by whichever worker is free; returns when all are done.
// Which worker computes a chunk must never show in the result: a chunk owns its output elements.
void weir_parallel_for(weir_device *device, int64_t chunks, weir_chunk_fn *fn, void *context);

// The same on the calling thread alone where the whole takes less than WEIR_INLINE_WORK.
void weir_parallel_for_work(weir_device *device, int64_t work, int64_t chunks, weir_chunk_fn *fn, void *context);

// Below this many multiply-adds (or bytes touched) an op costs less than waking a worker: a few microseconds.
#define WEIR_INLINE_WORK 131072

// Threads of the device, the calling one included.
int weir_threads(const weir_device *device);

// At least `bytes` of 64-byte aligned memory, undefined content, valid until the next call with this device;
// NULL where there is none. Grows on demand and is kept, so that steady steps allocate nothing.
void *weir_scratch(weir_device *device, size_t bytes);

// Best vector level of this machine that the operating system lets us use.
weir_isa weir_detect_isa(void);

// Anonymous memory, zeroed; from 2 MiB on aligned to and advised for huge pages. NULL and errno on failure.
void *weir_map(size_t bytes);
void weir_unmap(void *memory, size_t bytes);

static inline int64_t weir_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t weir_round_up(int64_t a, int64_t multiple) { return weir_ceil_div(a, multiple) * multiple; }
static inline int64_t weir_min(int64_t a, int64_t b) { return a < b ? a : b; }
