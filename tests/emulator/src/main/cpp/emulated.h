// The vocabulary for a host compiler: a kernel's thread is a fiber, and each word that the threads of a warp or a
// block say together is a rendezvous of fibers. What has state is in the emulator's core (emulator.cpp); operands go
// there and back in registers, so that a kernel's local arrays stay local and its accesses to memory are its own.
#pragma once

#include "launch.h"

#include <math.h>
#include <type_traits>

#define WEIR_DEVICE inline __attribute__((always_inline))

#define WEIR_KERNEL(name, Arguments, threads, blocks, shared_bytes)                                               \
  static void name##_threads(const Arguments &arguments);                                                         \
  static void name##_body(const void *arguments) { name##_threads(*static_cast<const Arguments *>(arguments)); }  \
  static ::weir::emulator::Registered name##_registered{                                                          \
      {#name, sizeof(Arguments), (threads), (shared_bytes), name##_body}, nullptr};                               \
  static_assert((threads) % ::weir::WARP == 0 && (threads) <= 1024, "a block is whole warps, at most 32");        \
  static_assert(sizeof(Arguments) % 8 == 0 && ::std::is_trivially_copyable<Arguments>::value,                     \
                "arguments are a struct of 8-byte fields");                                                       \
  static void name##_threads([[maybe_unused]] const Arguments &arguments)

#define WEIR_SHARED(type, name, count)                                                                            \
  static const ::weir::emulator::SharedArray name##_array{#name, sizeof(type) * (count)};                         \
  type *const name = static_cast<type *>(::weir::emulator::shared(&name##_array))

#define WEIR_DYNAMIC_SHARED(name)                                                                                 \
  unsigned char *const name = static_cast<unsigned char *>(::weir::emulator::dynamic_shared())

namespace weir {

namespace emulator {

/* A kernel's entry in its library's list. */
struct Registered {
  weir_kernel kernel;
  Registered *next;
  Registered(const weir_kernel &kernel, Registered *);
};

/* A WEIR_SHARED declaration: one array per block, whoever of its threads asks. */
struct SharedArray {
  const char *name;
  size_t bytes;
};

typedef uint32_t Words __attribute__((vector_size(16)));
typedef uint32_t Pair __attribute__((vector_size(8)));
typedef float Floats __attribute__((vector_size(16)));

enum class Index { THREAD, THREADS, BLOCK_X, BLOCK_Y, BLOCK_Z, GRID_X };

// A function's activation stays with one fiber, so an index never changes under it.
__attribute__((const)) int index(Index which) noexcept;

void *shared(const SharedArray *array);
void *dynamic_shared();

uint32_t shuffle(uint32_t value, int source);
uint32_t shuffle_xor(uint32_t value, int mask);
float warp_sum(float value);
float warp_max(float value);
uint32_t ballot(bool predicate);

void read_once(const void *address);
[[noreturn]] void misaligned(const void *address);

void cp_async(void *shared, const void *global, bool valid);
void cp_async_commit();
void cp_async_wait(int pending);

Words ldmatrix_x4(const void *row, bool transposed);
Pair ldmatrix_x2(const void *row, bool transposed);
Floats mma_bf16(Floats d, Words a, Pair b);
Floats mma_f16(Floats d, Words a, Pair b);

float widen_f16(uint16_t bits);
uint16_t round_bf16(float value);
uint16_t round_f16(float value);

} // namespace emulator

// An sm_80's: rings of copies are then neither the shortest nor the longest.
constexpr int MULTIPROCESSOR_SHARED_BYTES = 164 * 1024;

WEIR_DEVICE int thread_index() { return emulator::index(emulator::Index::THREAD); }
WEIR_DEVICE int block_threads() { return emulator::index(emulator::Index::THREADS); }
WEIR_DEVICE int block_index() { return emulator::index(emulator::Index::BLOCK_X); }
WEIR_DEVICE int block_index_y() { return emulator::index(emulator::Index::BLOCK_Y); }
WEIR_DEVICE int block_index_z() { return emulator::index(emulator::Index::BLOCK_Z); }
WEIR_DEVICE int grid_size() { return emulator::index(emulator::Index::GRID_X); }
WEIR_DEVICE int lane() { return thread_index() % WARP; }
WEIR_DEVICE int warp() { return thread_index() / WARP; }

void sync_block();
void sync_warp();

template <class T> WEIR_DEVICE T shuffle(T value, int source) {
  static_assert(sizeof(T) == 4, "a shuffle moves 32 bits");
  return __builtin_bit_cast(T, emulator::shuffle(__builtin_bit_cast(uint32_t, value), source));
}
template <class T> WEIR_DEVICE T shuffle_xor(T value, int mask) {
  static_assert(sizeof(T) == 4, "a shuffle moves 32 bits");
  return __builtin_bit_cast(T, emulator::shuffle_xor(__builtin_bit_cast(uint32_t, value), mask));
}
WEIR_DEVICE uint32_t ballot(bool predicate) { return emulator::ballot(predicate); }
WEIR_DEVICE float warp_sum(float value) { return emulator::warp_sum(value); }
WEIR_DEVICE float warp_max(float value) { return emulator::warp_max(value); }

WEIR_DEVICE void require_16(const void *address) {
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
    emulator::misaligned(address);
  }
}
WEIR_DEVICE Words4 load_16(const void *address) {
  require_16(address);
  return *static_cast<const Words4 *>(address);
}
WEIR_DEVICE Words4 load_16_stream(const void *address) {
  require_16(address);
  emulator::read_once(address);
  return *static_cast<const Words4 *>(address);
}
WEIR_DEVICE void store_16(void *address, Words4 words) {
  require_16(address);
  *static_cast<Words4 *>(address) = words;
}

WEIR_DEVICE void cp_async_16(void *shared, const void *global, bool valid) {
  emulator::cp_async(shared, global, valid);
}
WEIR_DEVICE void cp_async_16_stream(void *shared, const void *global, bool valid) {
  emulator::cp_async(shared, global, valid);
}
WEIR_DEVICE void cp_async_commit() { emulator::cp_async_commit(); }
template <int PENDING> WEIR_DEVICE void cp_async_wait() { emulator::cp_async_wait(PENDING); }

WEIR_DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void *row) {
  const emulator::Words words = emulator::ldmatrix_x4(row, false);
  r[0] = words[0], r[1] = words[1], r[2] = words[2], r[3] = words[3];
}
WEIR_DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row) {
  const emulator::Words words = emulator::ldmatrix_x4(row, true);
  r[0] = words[0], r[1] = words[1], r[2] = words[2], r[3] = words[3];
}
WEIR_DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void *row) {
  const emulator::Pair words = emulator::ldmatrix_x2(row, false);
  r[0] = words[0], r[1] = words[1];
}
WEIR_DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void *row) {
  const emulator::Pair words = emulator::ldmatrix_x2(row, true);
  r[0] = words[0], r[1] = words[1];
}

template <class T> WEIR_DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const emulator::Floats sums{d[0], d[1], d[2], d[3]};
  const emulator::Words left{a[0], a[1], a[2], a[3]};
  const emulator::Pair right{b[0], b[1]};
  emulator::Floats result;
  if constexpr (std::is_same<T, bf16>::value) {
    result = emulator::mma_bf16(sums, left, right);
  } else {
    static_assert(std::is_same<T, f16>::value, "mma<bf16> or mma<f16>");
    result = emulator::mma_f16(sums, left, right);
  }
  d[0] = result[0], d[1] = result[1], d[2] = result[2], d[3] = result[3];
}

WEIR_DEVICE uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
WEIR_DEVICE float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

WEIR_DEVICE float to_float(float value) { return value; }
WEIR_DEVICE float to_float(bf16 value) { return float_of(static_cast<uint32_t>(value.bits) << 16); }
WEIR_DEVICE float to_float(f16 value) { return emulator::widen_f16(value.bits); }

template <class T> WEIR_DEVICE T round_to(float value);
template <> WEIR_DEVICE float round_to<float>(float value) { return value; }
template <> WEIR_DEVICE bf16 round_to<bf16>(float value) { return bf16{emulator::round_bf16(value)}; }
template <> WEIR_DEVICE f16 round_to<f16>(float value) { return f16{emulator::round_f16(value)}; }

template <class T> WEIR_DEVICE uint32_t pack(float low, float high) {
  return static_cast<uint32_t>(round_to<T>(low).bits) | static_cast<uint32_t>(round_to<T>(high).bits) << 16;
}
template <class T> WEIR_DEVICE float low(uint32_t pair) { return to_float(T{static_cast<uint16_t>(pair)}); }
template <class T> WEIR_DEVICE float high(uint32_t pair) { return to_float(T{static_cast<uint16_t>(pair >> 16)}); }

WEIR_DEVICE float fused(float a, float b, float c) { return fmaf(a, b, c); }
WEIR_DEVICE float exponential(float x) { return expf(x); }
WEIR_DEVICE float exponential_2(float x) {
  const float y = exp2f(x);
  return y < 0x1p-126f ? 0.0f : y; // flushes to zero, as ex2.approx.ftz does; NaN stays
}
WEIR_DEVICE float logarithm(float x) { return logf(x); }
WEIR_DEVICE float tangent_h(float x) { return tanhf(x); }
WEIR_DEVICE float inverse_root(float x) { return 1.0f / sqrtf(x); }

int32_t atomic_add(int32_t *address, int32_t value);
uint64_t atomic_add(uint64_t *address, uint64_t value);
uint64_t atomic_max(uint64_t *address, uint64_t value);
void fence_device();

} // namespace weir
