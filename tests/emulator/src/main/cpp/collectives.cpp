// What the lanes of a warp do together: each function leaves its operands with the thread, waits for the whole warp,
// and takes its result. Fragments are laid out as in the PTX ISA 9.0, sections 9.7.14.5.8 (mma.m16n8k16) and
// 9.7.14.5.15 (ldmatrix).
#include "checks.h"
#include "emulator.h"

#include <cmath>
#include <string.h>

namespace weir::emulator {

namespace {

float float_bits(uint32_t bits) { return __builtin_bit_cast(float, bits); }
uint32_t bits(float value) { return __builtin_bit_cast(uint32_t, value); }

void shuffle_work(Warp &warp) {
  uint32_t values[WARP];
  for (int lane = 0; lane < WARP; lane++) {
    values[lane] = warp.threads[lane].value;
  }
  for (int lane = 0; lane < WARP; lane++) {
    Thread &thread = warp.threads[lane];
    thread.value = values[thread.source & (WARP - 1)];
  }
}

template <class Fold> void butterfly(Warp &warp, Fold fold) {
  float values[WARP];
  float folded[WARP];
  for (int lane = 0; lane < WARP; lane++) {
    values[lane] = float_bits(warp.threads[lane].value);
  }
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    for (int lane = 0; lane < WARP; lane++) {
      folded[lane] = fold(values[lane], values[lane ^ mask]);
    }
    memcpy(values, folded, sizeof values);
  }
  for (int lane = 0; lane < WARP; lane++) {
    warp.threads[lane].value = bits(values[lane]);
  }
}

void ballot_work(Warp &warp) {
  uint32_t votes = 0;
  for (int lane = 0; lane < WARP; lane++) {
    votes |= warp.threads[lane].value << lane;
  }
  for (int lane = 0; lane < WARP; lane++) {
    warp.threads[lane].value = votes;
  }
}

// Lane l holds of each matrix the elements (row l/4, columns 2(l%4) and 2(l%4)+1), or transposed: (rows 2(l%4) and
// 2(l%4)+1, column l/4).
template <int MATRICES, bool TRANSPOSED> void ldmatrix_work(Warp &warp) {
  for (int source = 0; source < 8 * MATRICES; source++) {
    checks::matrix_row_read(warp.threads[source]);
  }
  for (int matrix = 0; matrix < MATRICES; matrix++) {
    uint16_t elements[8][8];
    for (int row = 0; row < 8; row++) {
      memcpy(elements[row], warp.threads[8 * matrix + row].row, sizeof elements[row]);
    }
    for (int lane = 0; lane < WARP; lane++) {
      const int pair = 2 * (lane % 4), line = lane / 4;
      const uint32_t low = TRANSPOSED ? elements[pair][line] : elements[line][pair];
      const uint32_t high = TRANSPOSED ? elements[pair + 1][line] : elements[line][pair + 1];
      warp.threads[lane].a[matrix] = low | high << 16;
    }
  }
}

float widen_bf16(uint32_t half) { return float_bits(half << 16); }

typedef float Row __attribute__((vector_size(32))); // 8 columns

// One product of a column of `a` with a row of `b` after the other: float32 sums, in the order of k. Rows go four at a
// time, so that their additions need not wait for each other.
__attribute__((target_clones("avx2", "default"))) void multiply(const float (&a)[16][16], const Row (&b)[16],
                                                                Row (&d)[16]) {
  for (int row = 0; row < 16; row += 4) {
    Row sums[4] = {d[row], d[row + 1], d[row + 2], d[row + 3]};
    for (int k = 0; k < 16; k++) {
      for (int i = 0; i < 4; i++) {
        sums[i] += a[row + i][k] * b[k];
      }
    }
    for (int i = 0; i < 4; i++) {
      d[row + i] = sums[i];
    }
  }
}

template <float (*WIDEN)(uint32_t)> void mma_work(Warp &warp) {
  float a[16][16];
  Row b[16], d[16];
  for (int lane = 0; lane < WARP; lane++) {
    const Thread &thread = warp.threads[lane];
    const int group = lane / 4, pair = 2 * (lane % 4);
    for (int i = 0; i < 4; i++) {
      const int row = group + 8 * (i % 2), column = pair + 8 * (i / 2);
      a[row][column] = WIDEN(thread.a[i] & 0xFFFF);
      a[row][column + 1] = WIDEN(thread.a[i] >> 16);
    }
    for (int i = 0; i < 2; i++) {
      b[pair + 8 * i][group] = WIDEN(thread.b[i] & 0xFFFF);
      b[pair + 8 * i + 1][group] = WIDEN(thread.b[i] >> 16);
    }
    for (int i = 0; i < 4; i++) {
      d[group + 8 * (i / 2)][pair + i % 2] = thread.d[i];
    }
  }
  multiply(a, b, d);
  for (int lane = 0; lane < WARP; lane++) {
    const int group = lane / 4, pair = 2 * (lane % 4);
    for (int i = 0; i < 4; i++) {
      warp.threads[lane].d[i] = d[group + 8 * (i / 2)][pair + i % 2];
    }
  }
}

float widen_f16_word(uint32_t half) { return widen_f16(static_cast<uint16_t>(half)); }

void offer_row(const void *row, const void *site) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) {
    fail(site, "gives ldmatrix the row address %p, which is not a multiple of 16", row);
  }
  if (reinterpret_cast<uintptr_t>(row) - reinterpret_cast<uintptr_t>(block->shared) >= sizeof block->shared) {
    fail(site, "gives ldmatrix the row address %p, which is not in shared memory", row);
  }
  current->row = static_cast<const unsigned char *>(row);
}

Floats mma(Wait kind, void (*work)(Warp &), Floats d, Words a, Pair b, const void *site) {
  Thread &self = *current;
  memcpy(self.d, &d, sizeof d);
  memcpy(self.a, &a, sizeof a);
  memcpy(self.b, &b, sizeof b);
  rendezvous(kind, work, site);
  Floats result;
  memcpy(&result, self.d, sizeof result);
  return result;
}

} // namespace

const char *name_of(Wait wait) {
  static const char *const names[] = {
      "nothing",     "sync_block",        "sync_warp",   "shuffle",           "shuffle_xor", "warp_sum",  "warp_max", "ballot",
      "ldmatrix_x4", "ldmatrix_x4_trans", "ldmatrix_x2", "ldmatrix_x2_trans", "mma<bf16>",   "mma<f16>", "exit"};
  return names[static_cast<int>(wait)];
}

uint32_t shuffle(uint32_t value, int source) {
  current->value = value;
  current->source = source;
  rendezvous(Wait::SHUFFLE, shuffle_work, __builtin_return_address(0));
  return current->value;
}

uint32_t shuffle_xor(uint32_t value, int mask) {
  current->value = value;
  current->source = (current->index % WARP) ^ mask;
  rendezvous(Wait::SHUFFLE_XOR, shuffle_work, __builtin_return_address(0));
  return current->value;
}

float warp_sum(float value) {
  current->value = bits(value);
  rendezvous(
      Wait::WARP_SUM, [](Warp &warp) { butterfly(warp, [](float a, float b) { return a + b; }); },
      __builtin_return_address(0));
  return float_bits(current->value);
}

float warp_max(float value) {
  current->value = bits(value);
  rendezvous(
      Wait::WARP_MAX, [](Warp &warp) { butterfly(warp, [](float a, float b) { return std::fmax(a, b); }); },
      __builtin_return_address(0));
  return float_bits(current->value);
}

uint32_t ballot(bool predicate) {
  current->value = predicate;
  rendezvous(Wait::BALLOT, ballot_work, __builtin_return_address(0));
  return current->value;
}

Words ldmatrix_x4(const void *row, bool transposed) {
  const void *site = __builtin_return_address(0);
  offer_row(row, site);
  if (transposed) {
    rendezvous(Wait::LDMATRIX_X4_TRANS, ldmatrix_work<4, true>, site);
  } else {
    rendezvous(Wait::LDMATRIX_X4, ldmatrix_work<4, false>, site);
  }
  Words words;
  memcpy(&words, current->a, sizeof words);
  return words;
}

Pair ldmatrix_x2(const void *row, bool transposed) {
  const void *site = __builtin_return_address(0);
  if (current->index % WARP < 16) { // the other lanes' addresses are not used
    offer_row(row, site);
  }
  if (transposed) {
    rendezvous(Wait::LDMATRIX_X2_TRANS, ldmatrix_work<2, true>, site);
  } else {
    rendezvous(Wait::LDMATRIX_X2, ldmatrix_work<2, false>, site);
  }
  Pair words;
  memcpy(&words, current->a, sizeof words);
  return words;
}

Floats mma_bf16(Floats d, Words a, Pair b) {
  return mma(Wait::MMA_BF16, mma_work<widen_bf16>, d, a, b, __builtin_return_address(0));
}

Floats mma_f16(Floats d, Words a, Pair b) {
  return mma(Wait::MMA_F16, mma_work<widen_f16_word>, d, a, b, __builtin_return_address(0));
}

float widen_f16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3FF;
  if (exponent == 31) {
    return float_bits(sign | 0x7F800000u | fraction << 13);
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return float_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t round_bf16(float value) {
  if (std::isnan(value)) {
    return 0x7FFF;
  }
  const uint32_t word = bits(value);
  return static_cast<uint16_t>((word + 0x7FFF + (word >> 16 & 1)) >> 16);
}

uint16_t round_f16(float value) {
  if (std::isnan(value)) {
    return 0x7FFF;
  }
  const uint32_t word = bits(value);
  const uint32_t sign = word >> 16 & 0x8000, magnitude = word & 0x7FFFFFFF;
  if (magnitude >= 0x477FF000) { // from 65520 on: infinity
    return static_cast<uint16_t>(sign | 0x7C00);
  }
  if (magnitude >= 0x38800000) { // a normal half
    return static_cast<uint16_t>(sign | ((magnitude + 0xFFF + (magnitude >> 13 & 1)) - (112u << 23)) >> 13);
  }
  // Steps of 2^-24: adding 0.5 leaves them in the lowest bits, rounded to nearest even by the addition itself.
  const float steps = float_bits(magnitude) + 0.5f;
  return static_cast<uint16_t>(sign | (bits(steps) - bits(0.5f)));
}

} // namespace weir::emulator
