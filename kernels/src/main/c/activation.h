// The gated activation of a stretch of one row.
#pragma once

#include "weir.h"

typedef void weir_gated_row_fn(const float *gate, const float *up, int64_t width, float *out);

weir_gated_row_fn weir_gated_row_portable;
#if defined(__x86_64__)
weir_gated_row_fn weir_gated_row_avx2, weir_gated_row_avx512;
#endif
