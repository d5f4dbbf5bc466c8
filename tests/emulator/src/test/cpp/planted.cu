// Kernels with one planted error each, beside a twin without it: NAME_wrong and NAME_right come from the same body.
// self_test.cpp says what has to be reported of each.
#include "vocabulary.h"

namespace weir {
namespace {

/* `in` and `out` have 4096 floats each; `counter` is one int32 that is 0. */
struct Arguments {
  const float *in;
  float *out;
  int32_t *counter;
};

constexpr int THREADS = 128;
constexpr int WARPS = THREADS / WARP;

// ---- barriers ----

template <bool WRONG> WEIR_DEVICE void dropped_barrier(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  const int t = thread_index();
  tile[t] = arguments.in[t];
  if (!WRONG) {
    sync_block();
  }
  arguments.out[t] = tile[(t + WARP) % THREADS];
}

template <bool WRONG> WEIR_DEVICE void dropped_second_barrier(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  const int t = thread_index();
  float sum = 0;
  for (int round = 0; round < 3; round++) {
    tile[t] = arguments.in[round * THREADS + t];
    sync_block();
    sum += tile[(t + WARP) % THREADS];
    if (!WRONG) {
      sync_block(); // before the tile is overwritten
    }
  }
  arguments.out[t] = sum;
}

template <bool WRONG> WEIR_DEVICE void dropped_warp_barrier(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  const int t = thread_index();
  tile[t] = arguments.in[t];
  if (!WRONG) {
    sync_warp();
  }
  arguments.out[t] = tile[t ^ 1];
}

template <bool WRONG> WEIR_DEVICE void shuffle_as_barrier(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  const int t = thread_index();
  tile[t] = arguments.in[t];
  const float other = shuffle_xor(arguments.in[t], 1); // orders no memory
  if (!WRONG) {
    sync_warp();
  }
  arguments.out[t] = tile[t ^ 1] - other;
}

template <bool WRONG> WEIR_DEVICE void warp_barrier_for_block(const Arguments &arguments) {
  WEIR_SHARED(float, sums, WARPS);
  const float sum = warp_sum(arguments.in[thread_index()]);
  if (lane() == 0) {
    sums[warp()] = sum;
  }
  if (WRONG) {
    sync_warp();
  } else {
    sync_block();
  }
  arguments.out[thread_index()] = sums[(warp() + 1) % WARPS];
}

template <bool WRONG> WEIR_DEVICE void device_memory_race(const Arguments &arguments) {
  const int t = thread_index();
  arguments.out[t] = arguments.in[t];
  if (!WRONG) {
    sync_block();
  }
  arguments.out[THREADS + t] = arguments.out[(t + 1) % THREADS];
}

// ---- shared memory ----

template <bool WRONG> WEIR_DEVICE void uninitialised_shared(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  const int t = thread_index();
  if (!WRONG || t != 77) {
    tile[t] = arguments.in[t];
  }
  sync_block();
  arguments.out[t] = tile[THREADS - 1 - t];
}

template <bool WRONG> WEIR_DEVICE void shared_read_by_one(const Arguments &arguments) {
  WEIR_SHARED(float, tile, THREADS);
  WEIR_SHARED(float, behind, THREADS);
  const int t = thread_index();
  tile[t] = behind[t] = arguments.in[t];
  sync_block();
  arguments.out[t] = tile[WRONG ? t + 1 : t] + behind[t];
}

template <bool WRONG> WEIR_DEVICE void shared_write_by_one(const Arguments &arguments) {
  WEIR_DYNAMIC_SHARED(raw);
  float *const tile = reinterpret_cast<float *>(raw); // 512 bytes: THREADS floats
  const int t = thread_index();
  tile[WRONG ? t + 1 : t] = arguments.in[t];
  sync_block();
  arguments.out[t] = t == 0 ? 0 : tile[t];
}

// ---- device memory ----

template <bool WRONG> WEIR_DEVICE void read_by_one(const Arguments &arguments) {
  float sum = 0;
  for (int i = thread_index(); i < 4096 + (WRONG ? 1 : 0); i += THREADS) {
    sum += arguments.in[i];
  }
  arguments.out[thread_index()] = sum;
}

template <bool WRONG> WEIR_DEVICE void write_by_one(const Arguments &arguments) {
  for (int i = thread_index(); i < (WRONG ? 4096 + 1 : 4096); i += THREADS) {
    arguments.out[i] = 1;
  }
}

template <bool WRONG> WEIR_DEVICE void read_before(const Arguments &arguments) {
  const int t = thread_index();
  arguments.out[t] = arguments.in[WRONG ? t - 1 : t];
}

template <bool WRONG> WEIR_DEVICE void never_written(const Arguments &arguments) {
  const int t = thread_index();
  if (!WRONG || t != 5) {
    arguments.out[t] = arguments.in[t];
  }
  sync_block();
  arguments.out[THREADS + t] = arguments.out[t ^ 4];
}

template <bool WRONG> WEIR_DEVICE void misaligned_load(const Arguments &arguments) {
  const int t = thread_index();
  const Words4 words = load_16(arguments.in + (WRONG ? 4 * t + 2 : 4 * t));
  arguments.out[t] = float_of(words.x);
}

template <bool WRONG> WEIR_DEVICE void misaligned_float(const Arguments &arguments) {
  const int t = thread_index();
  const unsigned char *bytes = reinterpret_cast<const unsigned char *>(arguments.in);
  arguments.out[t] = *reinterpret_cast<const float *>(bytes + (WRONG ? 4 * t + 2 : 4 * t));
}

// ---- cp.async ----

constexpr int STAGES = 3, STAGE_FLOATS = 4 * THREADS, TILES = 8;

/* A ring of stages: WAIT groups may be pending when a tile is used; with SYNC, threads wait before a stage is reused. */
template <int PENDING, bool SYNC_AFTER_WAIT, bool SYNC_BEFORE_REUSE>
WEIR_DEVICE void pipeline(const Arguments &arguments, float *stages) {
  const int t = thread_index();
  auto fetch = [&](int tile) {
    if (tile < TILES) {
      cp_async_16(stages + tile % STAGES * STAGE_FLOATS + 4 * t, arguments.in + tile * STAGE_FLOATS + 4 * t, true);
    }
    cp_async_commit();
  };
  for (int tile = 0; tile < STAGES - 1; tile++) {
    fetch(tile);
  }
  float sum = 0;
  for (int tile = 0; tile < TILES; tile++) {
    cp_async_wait<PENDING>();
    if (SYNC_AFTER_WAIT) {
      sync_block(); // also: all have read the stage that is fetched next
    }
    if (SYNC_BEFORE_REUSE) {
      fetch(tile + STAGES - 1);
    } else {
      fetch(tile + STAGES); // one tile too far: into the stage that is being read
    }
    for (int i = 0; i < 4; i++) {
      sum += stages[tile % STAGES * STAGE_FLOATS + (4 * t + 4 * WARP + i) % STAGE_FLOATS];
    }
  }
  arguments.out[t] = sum;
}

template <bool WRONG> WEIR_DEVICE void wait_depth(const Arguments &arguments) {
  WEIR_SHARED(float, stages, STAGES *STAGE_FLOATS);
  pipeline<WRONG ? STAGES - 1 : STAGES - 2, true, true>(arguments, stages);
}

template <bool WRONG> WEIR_DEVICE void no_barrier_behind_wait(const Arguments &arguments) {
  WEIR_SHARED(float, stages, STAGES *STAGE_FLOATS);
  pipeline<STAGES - 2, !WRONG, true>(arguments, stages);
}

template <bool WRONG> WEIR_DEVICE void stage_in_use(const Arguments &arguments) {
  WEIR_SHARED(float, stages, STAGES *STAGE_FLOATS);
  pipeline<STAGES - 2, true, !WRONG>(arguments, stages);
}

template <bool WRONG> WEIR_DEVICE void not_committed(const Arguments &arguments) {
  WEIR_SHARED(float, tile, STAGE_FLOATS);
  const int t = thread_index();
  cp_async_16(tile + 4 * t, arguments.in + 4 * t, true);
  if (!WRONG) {
    cp_async_commit();
  }
  cp_async_wait<0>();
  sync_block();
  arguments.out[t] = tile[(4 * t + 4 * WARP) % STAGE_FLOATS];
}

template <bool WRONG> WEIR_DEVICE void written_in_flight(const Arguments &arguments) {
  WEIR_SHARED(float, tile, STAGE_FLOATS);
  const int t = thread_index();
  cp_async_16(tile + 4 * t, arguments.in + 4 * t, true);
  cp_async_commit();
  if (!WRONG) {
    cp_async_wait<0>();
  }
  tile[4 * t + 1] = 0;
  cp_async_wait<0>();
  sync_block();
  arguments.out[t] = tile[(4 * t + 4 * WARP) % STAGE_FLOATS];
}

template <bool WRONG> WEIR_DEVICE void zeros_read_nothing(const Arguments &arguments) {
  WEIR_SHARED(float, tile, STAGE_FLOATS);
  const int t = thread_index();
  const bool valid = t < 100;
  cp_async_16(tile + 4 * t, arguments.in + 4096 - 400 + 4 * t, WRONG || valid);
  cp_async_commit();
  cp_async_wait<0>();
  sync_block();
  arguments.out[t] = tile[(4 * t + 4 * WARP) % STAGE_FLOATS];
}

// ---- collectives ----

template <bool WRONG> WEIR_DEVICE void divergent_shuffle(const Arguments &arguments) {
  const int t = thread_index();
  float x = arguments.in[t];
  if (!WRONG || lane() < 24) {
    x += shuffle_xor(x, 1);
  }
  sync_block();
  arguments.out[t] = x;
}

template <bool WRONG> WEIR_DEVICE void left_before_shuffle(const Arguments &arguments) {
  const int t = thread_index();
  if (WRONG && t >= 100) {
    return;
  }
  arguments.out[t] = warp_sum(arguments.in[t]);
}

template <bool WRONG> WEIR_DEVICE void divergent_barrier(const Arguments &arguments) {
  const int t = thread_index();
  if (!WRONG || t < 16) {
    sync_block();
  }
  sync_warp();
  arguments.out[t] = arguments.in[t];
}

template <bool WRONG> WEIR_DEVICE void different_collectives(const Arguments &arguments) {
  const int t = thread_index();
  float x = arguments.in[t];
  if (WRONG && lane() == 0) {
    x = warp_max(x);
  } else {
    x = warp_sum(x);
  }
  arguments.out[t] = x;
}

template <bool WRONG> WEIR_DEVICE void matrix_before_warp_barrier(const Arguments &arguments) {
  WEIR_SHARED(bf16, rows, WARPS * 8 * 8);
  bf16 *own = rows + warp() * 64;
  if (lane() < 8) {
    for (int i = 0; i < 8; i++) {
      own[8 * lane() + i] = round_to<bf16>(arguments.in[8 * lane() + i]); // the very lane that gives the address
    }
  }
  if (!WRONG) {
    sync_warp();
  }
  uint32_t r[2];
  ldmatrix_x2(r, own + 8 * (lane() % 8));
  arguments.out[thread_index()] = low<bf16>(r[0]);
}

template <bool WRONG> WEIR_DEVICE void misaligned_row(const Arguments &arguments) {
  WEIR_SHARED(bf16, rows, 16 * 16);
  for (int i = thread_index(); i < 256; i += THREADS) {
    rows[i] = round_to<bf16>(arguments.in[i]);
  }
  sync_block();
  uint32_t r[4];
  ldmatrix_x4(r, rows + lane() % 16 * (WRONG ? 15 : 16) + lane() / 16 * 8 * (WRONG ? 0 : 1));
  arguments.out[thread_index()] = low<bf16>(r[0]);
}

// ---- blocks ----

template <bool WRONG> WEIR_DEVICE void two_blocks_write(const Arguments &arguments) {
  arguments.out[(WRONG ? 0 : block_index()) * THREADS + thread_index()] = 1;
}

template <bool WRONG> WEIR_DEVICE void reads_another_block(const Arguments &arguments) {
  const int t = thread_index();
  arguments.out[block_index() * THREADS + t] = arguments.in[t];
  sync_block();
  arguments.out[2048 + block_index() * THREADS + t] =
      arguments.out[(WRONG ? 1 : block_index()) * THREADS + t];
}

enum class Fault { NONE, NO_FENCE_BEFORE, NO_FENCE_BEHIND, NO_BARRIER_BEFORE, NO_BARRIER_BEHIND };

/* Sums over blocks: the last to arrive folds what all have left. */
template <Fault FAULT> WEIR_DEVICE void last_arriver(const Arguments &arguments) {
  WEIR_SHARED(int32_t, arrived, 1);
  const int t = thread_index();
  arguments.out[block_index() * THREADS + t] = arguments.in[block_index() * THREADS + t];
  if (FAULT != Fault::NO_BARRIER_BEFORE) {
    sync_block();
  }
  if (t == 0) {
    if (FAULT != Fault::NO_FENCE_BEFORE) {
      fence_device();
    }
    *arrived = atomic_add(arguments.counter, 1);
    if (FAULT != Fault::NO_FENCE_BEHIND) {
      fence_device();
    }
  }
  if (FAULT != Fault::NO_BARRIER_BEHIND) {
    sync_block();
  }
  if (*arrived == grid_size() - 1) {
    float sum = 0;
    for (int b = 0; b < grid_size(); b++) {
      sum += arguments.out[b * THREADS + t];
    }
    arguments.out[2048 + t] = sum;
    if (t == 0) {
      *arguments.counter = 0;
    }
  }
}

template <bool WRONG> WEIR_DEVICE void no_fence_before(const Arguments &arguments) {
  last_arriver<WRONG ? Fault::NO_FENCE_BEFORE : Fault::NONE>(arguments);
}
template <bool WRONG> WEIR_DEVICE void no_fence_behind(const Arguments &arguments) {
  last_arriver<WRONG ? Fault::NO_FENCE_BEHIND : Fault::NONE>(arguments);
}
template <bool WRONG> WEIR_DEVICE void no_barrier_before_fence(const Arguments &arguments) {
  last_arriver<WRONG ? Fault::NO_BARRIER_BEFORE : Fault::NONE>(arguments);
}
template <bool WRONG> WEIR_DEVICE void no_barrier_behind_fence(const Arguments &arguments) {
  last_arriver<WRONG ? Fault::NO_BARRIER_BEHIND : Fault::NONE>(arguments);
}

template <bool WRONG> WEIR_DEVICE void counts(const Arguments &arguments) {
  if (WRONG) {
    *arguments.counter += 1;
  } else {
    atomic_add(arguments.counter, 1);
  }
}

/* Blocks take turns at one sum, in the order in which they come; each waits for the one before it. */
template <Fault FAULT> WEIR_DEVICE void chain(const Arguments &arguments) {
  WEIR_SHARED(int32_t, turn, 1);
  const int t = thread_index();
  if (t == 0) {
    *turn = atomic_add(arguments.counter, 1) % 1000; // thousands: turns that are over
    while (atomic_add(arguments.counter, 0) / 1000 != *turn) {
    }
    if (FAULT != Fault::NO_FENCE_BEHIND) {
      fence_device();
    }
  }
  sync_block();
  const float before = *turn == 0 ? 0 : arguments.out[t];
  arguments.out[t] = before * 2 + arguments.in[t];
  if (FAULT != Fault::NO_FENCE_BEFORE) {
    fence_device();
  }
  if (FAULT != Fault::NO_BARRIER_BEFORE) {
    sync_block();
  }
  if (t == 0) {
    atomic_add(arguments.counter, 1000);
  }
}

template <bool WRONG> WEIR_DEVICE void chain_without_fence(const Arguments &arguments) {
  chain<WRONG ? Fault::NO_FENCE_BEFORE : Fault::NONE>(arguments);
}
template <bool WRONG> WEIR_DEVICE void chain_without_fence_behind(const Arguments &arguments) {
  chain<WRONG ? Fault::NO_FENCE_BEHIND : Fault::NONE>(arguments);
}
template <bool WRONG> WEIR_DEVICE void chain_without_barrier(const Arguments &arguments) {
  chain<WRONG ? Fault::NO_BARRIER_BEFORE : Fault::NONE>(arguments);
}

template <bool WRONG> WEIR_DEVICE void waits_for_ever(const Arguments &arguments) {
  if (thread_index() == 0) {
    atomic_add(arguments.counter, 1);
    while (atomic_add(arguments.counter, 0) < (WRONG ? 5 : 4)) { // of 4 blocks; but no more than 3 need be at work
      if (!WRONG) {
        break;
      }
    }
  }
}

template <bool WRONG> WEIR_DEVICE void streams_what_is_written(const Arguments &arguments) {
  const int t = thread_index();
  arguments.out[THREADS * block_index() + t] = 1;
  sync_block();
  const float *from = WRONG ? arguments.out + THREADS * block_index() : arguments.in;
  arguments.out[2048 + THREADS * block_index() + t] = float_of(load_16_stream(from + 4 * (t / 4)).x);
}

} // namespace

#define PLANTED(name, shared_bytes)                                                                              \
  WEIR_KERNEL(name##_wrong, Arguments, THREADS, 1, shared_bytes) { name<true>(arguments); }                      \
  WEIR_KERNEL(name##_right, Arguments, THREADS, 1, shared_bytes) { name<false>(arguments); }

PLANTED(dropped_barrier, 0)
PLANTED(dropped_second_barrier, 0)
PLANTED(dropped_warp_barrier, 0)
PLANTED(shuffle_as_barrier, 0)
PLANTED(warp_barrier_for_block, 0)
PLANTED(device_memory_race, 0)
PLANTED(uninitialised_shared, 0)
PLANTED(shared_read_by_one, 0)
PLANTED(shared_write_by_one, 512)
PLANTED(read_by_one, 0)
PLANTED(write_by_one, 0)
PLANTED(read_before, 0)
PLANTED(never_written, 0)
PLANTED(misaligned_load, 0)
PLANTED(misaligned_float, 0)
PLANTED(wait_depth, 0)
PLANTED(no_barrier_behind_wait, 0)
PLANTED(stage_in_use, 0)
PLANTED(not_committed, 0)
PLANTED(written_in_flight, 0)
PLANTED(zeros_read_nothing, 0)
PLANTED(divergent_shuffle, 0)
PLANTED(left_before_shuffle, 0)
PLANTED(divergent_barrier, 0)
PLANTED(different_collectives, 0)
PLANTED(matrix_before_warp_barrier, 0)
PLANTED(misaligned_row, 0)
PLANTED(two_blocks_write, 0)
PLANTED(reads_another_block, 0)
PLANTED(no_fence_before, 0)
PLANTED(no_fence_behind, 0)
PLANTED(no_barrier_before_fence, 0)
PLANTED(no_barrier_behind_fence, 0)
PLANTED(chain_without_fence, 0)
PLANTED(chain_without_fence_behind, 0)
PLANTED(chain_without_barrier, 0)
PLANTED(waits_for_ever, 0)
PLANTED(counts, 0)
PLANTED(streams_what_is_written, 0)

// ---- fragments: out = a · b through every way of loading them ----

/* a: 16 rows of 16, b: 16 rows of 8, or their transposes; out: 16 rows of 8. */
struct ProductArguments {
  const uint16_t *a, *a_transposed, *b, *b_transposed;
  float *out;
};

template <class T> WEIR_DEVICE void store_product(float *out, const float (&d)[4]) {
  const int row = lane() / 4, column = 2 * (lane() % 4);
  out[8 * row + column] = d[0];
  out[8 * row + column + 1] = d[1];
  out[8 * (row + 8) + column] = d[2];
  out[8 * (row + 8) + column + 1] = d[3];
}

/* Bit 0 of WAY: a from its transpose; bit 1: b from its transpose; bit 2: b by x4, with rubbish behind it. */
template <class T, int WAY> WEIR_DEVICE void product(const ProductArguments &arguments) {
  WEIR_SHARED(uint16_t, a, 256);
  WEIR_SHARED(uint16_t, b, 256);
  const uint16_t *a_from = WAY & 1 ? arguments.a_transposed : arguments.a;
  const uint16_t *b_from = WAY & 2 ? arguments.b_transposed : arguments.b;
  for (int i = lane(); i < 256; i += WARP) {
    a[i] = a_from[i];
    b[i] = i < 128 ? b_from[i] : 0x7FC0;
  }
  sync_warp();
  uint32_t left[4], right[2], wide[4];
  float d[4] = {};
  const int i = lane() % 8, matrix = lane() / 8;
  if (WAY & 1) { // matrices of a_transposed: (k 0, m 0), (k 0, m 8), (k 8, m 0), (k 8, m 8)
    ldmatrix_x4_trans(left, a + 16 * (i + matrix / 2 * 8) + matrix % 2 * 8);
  } else { // (m 0, k 0), (m 8, k 0), (m 0, k 8), (m 8, k 8)
    ldmatrix_x4(left, a + 16 * (i + matrix % 2 * 8) + matrix / 2 * 8);
  }
  if (WAY & 2) { // n rows of 16 k
    if (WAY & 4) {
      ldmatrix_x4(wide, b + 16 * (i + matrix / 2 * 8) + matrix % 2 * 8);
    } else {
      ldmatrix_x2(right, b + 16 * i + matrix % 2 * 8);
    }
  } else { // k rows of 8 n
    if (WAY & 4) {
      ldmatrix_x4_trans(wide, b + 8 * lane());
    } else {
      ldmatrix_x2_trans(right, b + 8 * (lane() % 16));
    }
  }
  if (WAY & 4) {
    right[0] = wide[0];
    right[1] = wide[1];
  }
  mma<T>(d, left, right);
  store_product<T>(arguments.out, d);
}

#define PRODUCT(way)                                                                                             \
  WEIR_KERNEL(product_bf16_##way, ProductArguments, WARP, 1, 0) { product<bf16, way>(arguments); }               \
  WEIR_KERNEL(product_f16_##way, ProductArguments, WARP, 1, 0) { product<f16, way>(arguments); }

PRODUCT(0)
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
PRODUCT(4)
PRODUCT(5)
PRODUCT(6)
PRODUCT(7)

// ---- numbers ----

/* Per value: the bits of round_to<bf16>, round_to<f16>; per half: the bits of to_float of both kinds. */
struct NumbersArguments {
  const float *values;
  uint16_t *rounded;
  const uint16_t *halves;
  float *widened;
  int64_t count;
};

WEIR_KERNEL(numbers, NumbersArguments, 256, 1, 0) {
  const int step = grid_size() * 256;
  for (int64_t i = block_index() * 256 + thread_index(); i < arguments.count; i += step) {
    arguments.rounded[2 * i] = round_to<bf16>(arguments.values[i]).bits;
    arguments.rounded[2 * i + 1] = round_to<f16>(arguments.values[i]).bits;
    arguments.widened[2 * i] = to_float(bf16{arguments.halves[i]});
    arguments.widened[2 * i + 1] = to_float(f16{arguments.halves[i]});
  }
}

/* in: 32 floats; out: what every lane gets from warp_sum, warp_max, ballot(x > 0), shuffle from lane 5, shuffle_xor 3. */
struct FoldArguments {
  const float *in;
  float *out;
};

WEIR_KERNEL(folds, FoldArguments, WARP, 1, 0) {
  const float x = arguments.in[lane()];
  float *out = arguments.out + 5 * lane();
  out[0] = warp_sum(x);
  out[1] = warp_max(x);
  out[2] = float_of(ballot(x > 0));
  out[3] = shuffle(x, 5);
  out[4] = shuffle_xor(x, 3);
}

} // namespace weir
