// The norm of one row.
#pragma once

#include "weir.h"

// sum = residual + delta (delta may be NULL; sum may be NULL, or residual itself), out = sum * weight / rms(sum). out
// may be residual itself.
typedef void weir_norm_row_fn(const float *residual, const float *delta, float *sum, const float *weight,
                              float epsilon, int64_t dim, float *out);

weir_norm_row_fn weir_norm_row_portable;
#if defined(__x86_64__)
weir_norm_row_fn weir_norm_row_avx2, weir_norm_row_avx512;
#endif
