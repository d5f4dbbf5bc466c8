// The machine's ceilings, measured by the library itself so that a benchmark can print its ops beside them.
#pragma once

#include "weir.h"

// Reads whole lines of `bytes` (a multiple of 1024) bytes once; the result keeps the reads alive.
typedef uint64_t weir_read_fn(const void *memory, int64_t bytes);

// `rounds` of independent multiply-adds on registers alone; the floating-point operations done.
typedef int64_t weir_flops_fn(int64_t rounds, float *sink);

#if defined(__x86_64__)
weir_read_fn weir_read_avx2, weir_read_avx512;
weir_flops_fn weir_flops_avx2, weir_flops_avx512, weir_flops_avx512bf16, weir_flops_amx;
#endif
