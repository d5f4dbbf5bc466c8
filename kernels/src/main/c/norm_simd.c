// The norm of one row: the sum of squares in two vectors of partial sums.
#include <math.h>

#include "norm.h"
#include "vec.h"

void WEIR_LEVEL(weir_norm_row)(const float *residual, const float *delta, float *sum, const float *weight,
                               float epsilon, int64_t dim, float *out) {
  vec squares[2] = {vec_zero(), vec_zero()};
  int64_t i = 0;
  for (int turn = 0; i + VEC_LANES <= dim; i += VEC_LANES, turn ^= 1) {
    vec x = vec_load(residual + i);
    if (delta) x = x + vec_load(delta + i);
    if (sum) vec_store(sum + i, x);
    vec_store(out + i, x);
    squares[turn] = vec_fma(x, x, squares[turn]);
  }
  int rest = (int)(dim - i);
  if (rest) {
    vec x = vec_load_part(residual + i, rest);
    if (delta) x = x + vec_load_part(delta + i, rest);
    if (sum) vec_store_part(sum + i, x, rest);
    vec_store_part(out + i, x, rest);
    squares[0] = vec_fma(x, x, squares[0]);
  }
  float scale = 1 / sqrtf(vec_sum(squares[0] + squares[1]) / (float)dim + epsilon);
  vec scales = vec_set1(scale);
  for (i = 0; i + VEC_LANES <= dim; i += VEC_LANES) {
    vec_store(out + i, vec_load(out + i) * scales * vec_load(weight + i));
  }
  if (rest) {
    vec_store_part(out + i, vec_load_part(out + i, rest) * scales * vec_load_part(weight + i, rest), rest);
  }
}
