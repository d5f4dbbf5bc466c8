// addRmsNorm and gatherAddRmsNorm: one block per row.
//
// A row is cut into vectors of eight elements, and thread t takes vectors t, t + 256, …. The sum of squares runs over a
// thread's elements in order, then over the threads of a warp (warp_sum), then over warps in order: an order that
// depends on `dim` alone, whether rows are aligned or not.
#include "arguments.h"
#include "vocabulary.h"

namespace weir {

struct NormArguments {
  void *residual;      // [rows][dim]
  const void *delta;   // [rows][dim], or null
  const float *weight; // [dim]
  void *out;           // [rows][dim]
  int64_t dim;
  double epsilon; // a float
};

struct GatherNormArguments {
  const void *residual; // [T][dim]
  const void *delta;    // [T][dim]
  const float *weight;  // [dim]
  void *out;            // [rows][dim]
  int64_t dim;
  double epsilon;
  const int32_t *counts;      // T, S, R
  const int32_t *sample_rows; // [R]
};

constexpr int NORM_THREADS = 256;
constexpr int NORM_WARPS = NORM_THREADS / WARP;
constexpr int VECTOR = 8;
constexpr int HELD = 4; // vectors of a thread, so that a row is read once: CudaNorm.MAX_DIM elements in all

WEIR_DEVICE bool aligned_16(const void *address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

template <class T> WEIR_DEVICE void load_vector(const T *row, int64_t at, int64_t dim, bool whole, float (&x)[VECTOR]) {
  if (whole) {
    const Words4 words = load_16(row + at);
    x[0] = low<T>(words.x), x[1] = high<T>(words.x), x[2] = low<T>(words.y), x[3] = high<T>(words.y);
    x[4] = low<T>(words.z), x[5] = high<T>(words.z), x[6] = low<T>(words.w), x[7] = high<T>(words.w);
  } else {
#pragma unroll
    for (int i = 0; i < VECTOR; i++) {
      x[i] = at + i < dim ? to_float(row[at + i]) : 0;
    }
  }
}

template <class T>
WEIR_DEVICE void store_vector(T *row, int64_t at, int64_t dim, bool whole, const float (&x)[VECTOR]) {
  if (whole) {
    store_16(row + at, Words4{pack<T>(x[0], x[1]), pack<T>(x[2], x[3]), pack<T>(x[4], x[5]), pack<T>(x[6], x[7])});
  } else {
#pragma unroll
    for (int i = 0; i < VECTOR; i++) {
      if (at + i < dim) {
        row[at + i] = round_to<T>(x[i]);
      }
    }
  }
}

WEIR_DEVICE void load_weights(const float *weight, int64_t at, int64_t dim, bool whole, float (&x)[VECTOR]) {
  if (whole) {
    const Words4 a = load_16(weight + at);
    const Words4 b = load_16(weight + at + 4);
    x[0] = float_of(a.x), x[1] = float_of(a.y), x[2] = float_of(a.z), x[3] = float_of(a.w);
    x[4] = float_of(b.x), x[5] = float_of(b.y), x[6] = float_of(b.z), x[7] = float_of(b.w);
  } else {
#pragma unroll
    for (int i = 0; i < VECTOR; i++) {
      x[i] = at + i < dim ? weight[at + i] : 0;
    }
  }
}

// One row; `sum` takes residual + delta, where it is not null. `partial` is shared: [NORM_WARPS]. The sum is normed as it
// was before it is rounded.
template <class T>
WEIR_DEVICE void norm_row(const T *residual, const T *delta, T *sum, const float *weight, T *out, int64_t dim,
                          float epsilon, float *partial) {
  const bool whole = dim % VECTOR == 0 && aligned_16(residual) && aligned_16(delta) && aligned_16(weight) &&
                     aligned_16(out);
  float held[HELD][VECTOR];
  float squares = 0;
#pragma unroll
  for (int v = 0; v < HELD; v++) {
    const int64_t at = static_cast<int64_t>(thread_index() + v * NORM_THREADS) * VECTOR;
    if (at < dim) {
      load_vector(residual, at, dim, whole, held[v]);
      if (delta != nullptr) {
        float added[VECTOR];
        load_vector(delta, at, dim, whole, added);
#pragma unroll
        for (int i = 0; i < VECTOR; i++) {
          held[v][i] += added[i];
        }
      }
      if (sum != nullptr) {
        store_vector(sum, at, dim, whole, held[v]);
      }
#pragma unroll
      for (int i = 0; i < VECTOR; i++) {
        squares = fused(held[v][i], held[v][i], squares);
      }
    }
  }
  squares = warp_sum(squares);
  if (lane() == 0) {
    partial[warp()] = squares;
  }
  sync_block();
  float total = 0;
#pragma unroll
  for (int w = 0; w < NORM_WARPS; w++) {
    total += partial[w];
  }
  const float scale = inverse_root(total / static_cast<float>(dim) + epsilon);
#pragma unroll
  for (int v = 0; v < HELD; v++) {
    const int64_t at = static_cast<int64_t>(thread_index() + v * NORM_THREADS) * VECTOR;
    if (at < dim) {
      float weights[VECTOR];
      load_weights(weight, at, dim, whole, weights);
#pragma unroll
      for (int i = 0; i < VECTOR; i++) {
        held[v][i] = held[v][i] * scale * weights[i];
      }
      store_vector(out, at, dim, whole, held[v]);
    }
  }
}

template <class T> WEIR_DEVICE void add_rms_norm(const NormArguments &arguments, float *partial) {
  const int64_t from = block_index() * arguments.dim;
  T *const residual = static_cast<T *>(arguments.residual) + from;
  const T *const delta = arguments.delta == nullptr ? nullptr : static_cast<const T *>(arguments.delta) + from;
  norm_row(residual, delta, delta == nullptr ? nullptr : residual, arguments.weight,
           static_cast<T *>(arguments.out) + from, arguments.dim, static_cast<float>(arguments.epsilon), partial);
}

template <class T> WEIR_DEVICE void gather_add_rms_norm(const GatherNormArguments &arguments, float *partial) {
  const int row = block_index();
  const int64_t dim = arguments.dim;
  T *const out = static_cast<T *>(arguments.out) + row * dim;
  if (row >= arguments.counts[2]) {
    // The launch is for more rows than the step samples.
    for (int64_t i = thread_index(); i < dim; i += NORM_THREADS) {
      out[i] = round_to<T>(0);
    }
    return;
  }
  const int64_t from = arguments.sample_rows[row] * dim;
  T *const unchanged = nullptr;
  norm_row(static_cast<const T *>(arguments.residual) + from, static_cast<const T *>(arguments.delta) + from,
           unchanged, arguments.weight, out, dim, static_cast<float>(arguments.epsilon), partial);
}

WEIR_KERNEL(add_rms_norm_bf16, NormArguments, NORM_THREADS, 4, 0) {
  WEIR_SHARED(float, partial, NORM_WARPS);
  add_rms_norm<bf16>(arguments, partial);
}

WEIR_KERNEL(add_rms_norm_f16, NormArguments, NORM_THREADS, 4, 0) {
  WEIR_SHARED(float, partial, NORM_WARPS);
  add_rms_norm<f16>(arguments, partial);
}

WEIR_KERNEL(gather_add_rms_norm_bf16, GatherNormArguments, NORM_THREADS, 4, 0) {
  WEIR_SHARED(float, partial, NORM_WARPS);
  gather_add_rms_norm<bf16>(arguments, partial);
}

WEIR_KERNEL(gather_add_rms_norm_f16, GatherNormArguments, NORM_THREADS, 4, 0) {
  WEIR_SHARED(float, partial, NORM_WARPS);
  gather_add_rms_norm<f16>(arguments, partial);
}

} // namespace weir
