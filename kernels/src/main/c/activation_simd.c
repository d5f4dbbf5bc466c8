// silu(gate) * up of one row.
#include "vec.h"

#include "activation.h"

VEC_INLINE vec silu_times(vec gate, vec up) { return gate / (vec_set1(1) + vec_exp(vec_zero() - gate)) * up; }

void WEIR_LEVEL(weir_gated_row)(const float *gate, const float *up, int64_t width, float *out) {
  int64_t i = 0;
  for (; i + VEC_LANES <= width; i += VEC_LANES) {
    vec_store(out + i, silu_times(vec_load(gate + i), vec_load(up + i)));
  }
  int rest = (int)(width - i);
  if (rest) vec_store_part(out + i, silu_times(vec_load_part(gate + i, rest), vec_load_part(up + i, rest)), rest);
}
