// What kernels share with the Java side: fields of 8 bytes each, in this order.
#pragma once

#include <stdint.h>

namespace weir {

constexpr int BLOCK_TOKENS = 64;     // KvShape.BLOCK_TOKENS
constexpr int SEGMENT_TOKENS = 1024; // AttentionShape.SEGMENT_TOKENS

// StepInputs. A launch may be recorded for more rows than a step has: only `counts` says how many there are.
struct StepArrays {
  const int32_t *counts;           // T, S, R
  const int32_t *token_ids;        // [T]; -1-r: the token that row r of `drawn` holds
  const int32_t *positions;        // [T]
  const int32_t *token_slices;     // [T]
  const int32_t *slice_offsets;    // [S+1]
  const int32_t *kv_lengths;       // [S]
  const int32_t *block_table_rows; // [S]
  const int32_t *block_table;      // [rows][block_table_width]
  int64_t block_table_width;
  const int32_t *sample_rows;  // [R]
  const unsigned char *drawn;  // result rows (SampleLayout) of the step before, or null
};

} // namespace weir
