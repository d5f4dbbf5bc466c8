// One kernel per primitive of the vocabulary, for holding the emulator against a GPU: what a GPU leaves in `out` for
// the same `in` is a golden file, and the emulator has to leave the same.
//
// All take PROBE_IN words of any bits and write some of 4·PROBE_IN words, in one block. Where nothing else is said, the
// bits have to be the same, all NaN counting as one; exponential, exponential_2, logarithm, tangent_h and inverse_root may differ by what the
// vocabulary allows, and probe_mma_… by the rounding of a tensor core's sums.
#include "vocabulary.h"

namespace weir {

constexpr int PROBE_IN = 1024;

struct ProbeArguments {
  const uint32_t *in; // [PROBE_IN]
  uint32_t *out;      // [4 · PROBE_IN]
};

constexpr int PROBE_THREADS = 128;

// A float of the same sign and fraction, between 0.5 and 8: sums of such show every rounding.
WEIR_DEVICE float moderate(uint32_t bits) { return float_of((bits & 0x807FFFFF) | (126 + (bits >> 23) % 4) << 23); }

template <class T> WEIR_DEVICE uint32_t moderate_pair(uint32_t bits) {
  return pack<T>(moderate(bits << 16), moderate(bits));
}

// ---- ldmatrix

// Rows of 8 halves, in shared memory with `stride` halves between; lane i points at row 5i+3 of the warp's 32.
WEIR_DEVICE const uint16_t *probe_rows(const ProbeArguments &arguments, uint16_t *rows, int stride) {
  for (int i = lane(); i < 32 * 4; i += WARP) {
    uint16_t *to = rows + i / 4 * stride + i % 4 * 2;
    to[0] = static_cast<uint16_t>(arguments.in[i]);
    to[1] = static_cast<uint16_t>(arguments.in[i] >> 16);
  }
  sync_warp();
  return rows + (5 * lane() + 3) % 32 * stride;
}

template <int WORDS> WEIR_DEVICE void probe_store(const ProbeArguments &arguments, const uint32_t (&words)[WORDS]) {
#pragma unroll
  for (int i = 0; i < WORDS; i++) {
    arguments.out[WORDS * thread_index() + i] = words[i];
  }
}

WEIR_KERNEL(probe_ldmatrix_x4, ProbeArguments, WARP, 1, 0) {
  WEIR_SHARED(uint16_t, rows, 32 * 24);
  uint32_t r[4];
  ldmatrix_x4(r, probe_rows(arguments, rows, 24));
  probe_store(arguments, r);
}

WEIR_KERNEL(probe_ldmatrix_x4_trans, ProbeArguments, WARP, 1, 0) {
  WEIR_SHARED(uint16_t, rows, 32 * 24);
  uint32_t r[4];
  ldmatrix_x4_trans(r, probe_rows(arguments, rows, 24));
  probe_store(arguments, r);
}

WEIR_KERNEL(probe_ldmatrix_x2, ProbeArguments, WARP, 1, 0) {
  WEIR_SHARED(uint16_t, rows, 32 * 24);
  uint32_t r[2];
  ldmatrix_x2(r, probe_rows(arguments, rows, 24));
  probe_store(arguments, r);
}

WEIR_KERNEL(probe_ldmatrix_x2_trans, ProbeArguments, WARP, 1, 0) {
  WEIR_SHARED(uint16_t, rows, 32 * 24);
  uint32_t r[2];
  ldmatrix_x2_trans(r, probe_rows(arguments, rows, 24));
  probe_store(arguments, r);
}

// ---- mma: the fragments are words of `in`, so `out` shows which element meets which

template <class T> WEIR_DEVICE void probe_mma(const ProbeArguments &arguments) {
  const uint32_t *in = arguments.in + lane();
  uint32_t a[4], b[2], sums[4];
  float d[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    a[i] = moderate_pair<T>(in[i * WARP]);
    d[i] = moderate(in[(6 + i) * WARP]);
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    b[i] = moderate_pair<T>(in[(4 + i) * WARP]);
  }
  mma<T>(d, a, b);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    sums[i] = bits_of(d[i]);
  }
  probe_store(arguments, sums);
}

// Small whole numbers: sums are exact, so that the layout is seen apart from rounding.
template <class T> WEIR_DEVICE void probe_mma_exact(const ProbeArguments &arguments) {
  const uint32_t *in = arguments.in + lane();
  uint32_t a[4], b[2], sums[4];
  float d[4] = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    a[i] = pack<T>(static_cast<float>(in[i * WARP] % 16), static_cast<float>(in[i * WARP] / 16 % 16));
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    b[i] = pack<T>(static_cast<float>(in[(4 + i) * WARP] % 16), static_cast<float>(in[(4 + i) * WARP] / 16 % 16));
  }
  mma<T>(d, a, b);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    sums[i] = bits_of(d[i]);
  }
  probe_store(arguments, sums);
}

WEIR_KERNEL(probe_mma_bf16, ProbeArguments, WARP, 1, 0) { probe_mma<bf16>(arguments); }
WEIR_KERNEL(probe_mma_f16, ProbeArguments, WARP, 1, 0) { probe_mma<f16>(arguments); }
WEIR_KERNEL(probe_mma_bf16_exact, ProbeArguments, WARP, 1, 0) { probe_mma_exact<bf16>(arguments); }
WEIR_KERNEL(probe_mma_f16_exact, ProbeArguments, WARP, 1, 0) { probe_mma_exact<f16>(arguments); }

// ---- cp.async

// Three groups in flight over two stages' worth of places; every third copy is of zeros, from no valid address.
template <bool STREAM> WEIR_DEVICE void probe_copies(const ProbeArguments &arguments, uint32_t *words) {
  const int t = thread_index();
  auto copy = [&](int group) {
    const int word = 4 * (t % 32 * 2 + group);
    const bool valid = (t + group) % 3 != 0;
    uint32_t *to = words + (group * PROBE_THREADS + t) * 4;
    const uint32_t *from = valid ? arguments.in + word : nullptr;
    if (STREAM) {
      cp_async_16_stream(to, from, valid);
    } else {
      cp_async_16(to, from, valid);
    }
    cp_async_commit();
  };
  copy(0);
  copy(1);
  copy(2);
  auto store = [&](int group) {
    sync_block();
    const int other = (t + 33) % PROBE_THREADS;
    const Words4 got = load_16(words + (group * PROBE_THREADS + other) * 4);
    store_16(arguments.out + (group * PROBE_THREADS + t) * 4, got);
  };
  cp_async_wait<2>();
  store(0);
  cp_async_wait<1>();
  store(1);
  cp_async_wait<0>();
  store(2);
}

WEIR_KERNEL(probe_cp_async, ProbeArguments, PROBE_THREADS, 1, 0) {
  WEIR_SHARED(uint32_t, words, 3 * PROBE_THREADS * 4);
  probe_copies<false>(arguments, words);
}

WEIR_KERNEL(probe_cp_async_stream, ProbeArguments, PROBE_THREADS, 1, 3 * PROBE_THREADS * 16) {
  WEIR_DYNAMIC_SHARED(memory);
  probe_copies<true>(arguments, reinterpret_cast<uint32_t *>(memory));
}

WEIR_KERNEL(probe_load_stream, ProbeArguments, PROBE_THREADS, 1, 0) {
  const int t = thread_index();
  store_16(arguments.out + 4 * t, load_16_stream(arguments.in + 4 * (t ^ 5)));
}

// ---- warps

WEIR_KERNEL(probe_warp, ProbeArguments, WARP, 1, 0) {
  const uint32_t bits = arguments.in[lane()];
  const float x = moderate(bits);
  const uint32_t words[6] = {bits_of(warp_sum(x)),
                             bits_of(warp_max(x)),
                             ballot(bits % 3 == 0),
                             shuffle(bits, static_cast<int>(bits % WARP)),
                             shuffle_xor(bits, 21),
                             bits_of(shuffle(x, 7))};
  probe_store(arguments, words);
}

// ---- numbers: any bits, so infinities, NaN and subnormal numbers too

template <class Function> WEIR_DEVICE void probe_floats(const ProbeArguments &arguments, Function function) {
  for (int i = thread_index(); i < PROBE_IN; i += PROBE_THREADS) {
    arguments.out[i] = bits_of(function(float_of(arguments.in[i])));
    arguments.out[PROBE_IN + i] = bits_of(function(moderate(arguments.in[i])));
  }
}

WEIR_KERNEL(probe_exponential, ProbeArguments, PROBE_THREADS, 1, 0) {
  probe_floats(arguments, [](float x) { return exponential(x); });
}
WEIR_KERNEL(probe_exponential_2, ProbeArguments, PROBE_THREADS, 1, 0) {
  probe_floats(arguments, [](float x) { return exponential_2(x); });
}
WEIR_KERNEL(probe_logarithm, ProbeArguments, PROBE_THREADS, 1, 0) {
  probe_floats(arguments, [](float x) { return logarithm(x); });
}
WEIR_KERNEL(probe_tangent_h, ProbeArguments, PROBE_THREADS, 1, 0) {
  probe_floats(arguments, [](float x) { return tangent_h(x); });
}
WEIR_KERNEL(probe_inverse_root, ProbeArguments, PROBE_THREADS, 1, 0) {
  probe_floats(arguments, [](float x) { return inverse_root(x); });
}
WEIR_KERNEL(probe_to_float, ProbeArguments, PROBE_THREADS, 1, 0) {
  for (int i = thread_index(); i < PROBE_IN; i += PROBE_THREADS) {
    const uint32_t pair = arguments.in[i];
    arguments.out[4 * i] = bits_of(low<bf16>(pair));
    arguments.out[4 * i + 1] = bits_of(high<bf16>(pair));
    arguments.out[4 * i + 2] = bits_of(low<f16>(pair));
    arguments.out[4 * i + 3] = bits_of(high<f16>(pair));
  }
}

// Any floats; then such as lie about a half's own size; then exact ties between two halves of either kind.
WEIR_KERNEL(probe_round, ProbeArguments, PROBE_THREADS, 1, 0) {
  for (int i = thread_index(); i < PROBE_IN; i += PROBE_THREADS) {
    const uint32_t bits = arguments.in[i];
    const float any = float_of(bits), near = float_of((bits & 0x807FFFFF) | (100 + (bits >> 23) % 44) << 23);
    const float brain_tie = float_of((bits & 0xFFFF0000) | 0x8000);
    const float half_tie = float_of(((bits & 0x807FE000) | (113 + (bits >> 23) % 29) << 23) | 0x1000);
    arguments.out[4 * i] = pack<bf16>(any, near);
    arguments.out[4 * i + 1] = pack<f16>(any, near);
    arguments.out[4 * i + 2] = pack<bf16>(brain_tie, half_tie);
    arguments.out[4 * i + 3] = pack<f16>(brain_tie, half_tie);
  }
}

// Plain operators: nothing is fused, divisions and roots are rounded once, subnormal numbers are kept.
WEIR_KERNEL(probe_arithmetic, ProbeArguments, PROBE_THREADS, 1, 0) {
  for (int i = thread_index(); i < PROBE_IN; i += PROBE_THREADS) {
    const float a = float_of(arguments.in[i]), b = float_of(arguments.in[(i + 1) % PROBE_IN]);
    const float x = moderate(arguments.in[i]), y = moderate(arguments.in[(i + 1) % PROBE_IN]), z = x + y;
    arguments.out[4 * i] = bits_of(a * b + x);
    arguments.out[4 * i + 1] = bits_of(a / b);
    arguments.out[4 * i + 2] = bits_of(fused(x, y, -z));
    arguments.out[4 * i + 3] = bits_of(x * y - z);
  }
}

// ---- order

// What each location holds in the end, whatever the order of the threads.
WEIR_KERNEL(probe_atomics, ProbeArguments, PROBE_THREADS, 1, 0) {
  const int t = thread_index();
  uint64_t *wide = reinterpret_cast<uint64_t *>(arguments.out);
  int32_t *narrow = reinterpret_cast<int32_t *>(arguments.out) + 64;
  if (t < 16) {
    wide[t] = 0;
  } else if (t < 32) {
    narrow[t - 16] = 0;
  }
  sync_block();
  for (int i = t; i < PROBE_IN; i += PROBE_THREADS) {
    const uint64_t word = static_cast<uint64_t>(arguments.in[i]) << 32 | arguments.in[PROBE_IN - 1 - i];
    atomic_max(wide + i % 8, word);
    atomic_add(wide + 8 + i % 8, word);
    atomic_add(narrow + i % 16, static_cast<int32_t>(arguments.in[i]));
  }
}

} // namespace weir
