// gatedActivation: silu(gate) * up. A thread computes eight neighbours; a row has a whole number of blocks, all in the
// grid's x: its y would end at 65,535 rows.
#include "vocabulary.h"

namespace weir {

struct GatedArguments {
  const void *gate_up; // [rows][2 width]
  void *out;           // [rows][width]
  int64_t width;
};

constexpr int GATED_THREADS = 256;
constexpr int GATED_VECTOR = 8;

// Where exp(-gate) overflows, the quotient is the zero that silu goes to.
WEIR_DEVICE float silu_times(float gate, float up) { return gate / (1 + exponential(-gate)) * up; }

template <class T> WEIR_DEVICE uint32_t silu_times_pair(uint32_t gate, uint32_t up) {
  return pack<T>(silu_times(low<T>(gate), low<T>(up)), silu_times(high<T>(gate), high<T>(up)));
}

template <class T> WEIR_DEVICE void gated_activation(const GatedArguments &arguments) {
  const int64_t width = arguments.width;
  constexpr int BLOCK = GATED_THREADS * GATED_VECTOR;
  const int row_blocks = static_cast<int>((width + BLOCK - 1) / BLOCK);
  const int64_t row = block_index() / row_blocks;
  const int64_t at = static_cast<int64_t>(block_index() % row_blocks) * BLOCK + thread_index() * GATED_VECTOR;
  const T *const gate = static_cast<const T *>(arguments.gate_up) + row * 2 * width;
  const T *const up = gate + width;
  T *const out = static_cast<T *>(arguments.out) + row * width;
  if (at >= width) {
    return;
  }
  const bool aligned = (reinterpret_cast<uintptr_t>(gate) | reinterpret_cast<uintptr_t>(out)) % 16 == 0;
  if (width % GATED_VECTOR == 0 && aligned) {
    const Words4 gates = load_16(gate + at);
    const Words4 ups = load_16(up + at);
    store_16(out + at, Words4{silu_times_pair<T>(gates.x, ups.x), silu_times_pair<T>(gates.y, ups.y),
                              silu_times_pair<T>(gates.z, ups.z), silu_times_pair<T>(gates.w, ups.w)});
    return;
  }
  for (int64_t i = at; i < at + GATED_VECTOR && i < width; i++) {
    out[i] = round_to<T>(silu_times(to_float(gate[i]), to_float(up[i])));
  }
}

WEIR_KERNEL(gated_activation_bf16, GatedArguments, GATED_THREADS, 4, 0) { gated_activation<bf16>(arguments); }

WEIR_KERNEL(gated_activation_f16, GatedArguments, GATED_THREADS, 4, 0) { gated_activation<f16>(arguments); }

} // namespace weir
