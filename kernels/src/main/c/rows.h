// Addresses of up to 12 rows of activations from three pointers, a stride and its triple: what x86 addressing can
// add for itself, so that a tile's rows do not use up the general registers.
#pragma once

#include <stdint.h>

#define WEIR_MAX_ROWS 12

typedef struct {
  const char *fours[3];
  int64_t stride;
  int64_t triple;
} weir_rows;

static inline __attribute__((always_inline)) weir_rows weir_rows_at(const char *a, int64_t stride) {
  return (weir_rows){{a, a + 4 * stride, a + 8 * stride}, stride, 3 * stride};
}

static inline __attribute__((always_inline)) const char *weir_row(const weir_rows *rows, int r) {
  const char *four = rows->fours[r / 4];
  switch (r % 4) {
  case 0: return four;
  case 1: return four + rows->stride;
  case 2: return four + 2 * rows->stride;
  default: return four + rows->triple;
  }
}

// Expands CASE(1) … CASE(12).
#define WEIR_EACH_ROWS(CASE) \
  CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)

// How far ahead of its use a panel's stream is asked into the second-level cache. One or two tokens wait for memory
// alone, whatever is asked; with three to five a distance in between costs up to half as much again as a short one; more
// keep the units busy long enough that the stream must be asked for early. Measured on Zen 4.
#define WEIR_AHEAD_BYTES(rows) ((rows) <= 2 ? 2048 : (rows) <= 5 ? 512 : 8192)
