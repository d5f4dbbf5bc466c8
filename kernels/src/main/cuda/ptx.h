// The vocabulary for nvcc. Each function is one PTX instruction or one built-in; PTX ISA 9.0 is the reference.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define WEIR_DEVICE __device__ __forceinline__

#define WEIR_KERNEL(name, Arguments, threads, blocks, shared_bytes)                                               \
  extern "C" __device__ const int32_t name##_shared = (shared_bytes);                                             \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ Arguments arguments)

#define WEIR_SHARED(type, name, count)                                                                             \
  __shared__ __align__(16) type name##_memory[count];                                                             \
  type *const name = name##_memory

#define WEIR_DYNAMIC_SHARED(name)                                                                                  \
  extern __shared__ __align__(128) unsigned char weir_dynamic_shared[];                                           \
  unsigned char *const name = weir_dynamic_shared

namespace weir {

constexpr unsigned ALL_LANES = 0xFFFFFFFFu;

// CUDA C++ programming guide, technical specifications per compute capability.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
constexpr int MULTIPROCESSOR_SHARED_BYTES = 228 * 1024;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ != 800
constexpr int MULTIPROCESSOR_SHARED_BYTES = 100 * 1024;
#else
constexpr int MULTIPROCESSOR_SHARED_BYTES = 164 * 1024;
#endif

WEIR_DEVICE int thread_index() { return threadIdx.x; }
WEIR_DEVICE int block_threads() { return blockDim.x; }
WEIR_DEVICE int block_index() { return blockIdx.x; }
WEIR_DEVICE int block_index_y() { return blockIdx.y; }
WEIR_DEVICE int block_index_z() { return blockIdx.z; }
WEIR_DEVICE int grid_size() { return gridDim.x; }
WEIR_DEVICE int lane() { return threadIdx.x % WARP; }
WEIR_DEVICE int warp() { return threadIdx.x / WARP; }

WEIR_DEVICE void sync_block() { __syncthreads(); }
WEIR_DEVICE void sync_warp() { __syncwarp(); }

template <class T> WEIR_DEVICE T shuffle(T value, int source) { return __shfl_sync(ALL_LANES, value, source); }
template <class T> WEIR_DEVICE T shuffle_xor(T value, int mask) { return __shfl_xor_sync(ALL_LANES, value, mask); }
WEIR_DEVICE uint32_t ballot(bool predicate) { return __ballot_sync(ALL_LANES, predicate); }

WEIR_DEVICE float warp_sum(float value) {
#pragma unroll
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    value += shuffle_xor(value, mask);
  }
  return value;
}

WEIR_DEVICE float warp_max(float value) {
#pragma unroll
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    value = fmaxf(value, shuffle_xor(value, mask));
  }
  return value;
}

WEIR_DEVICE Words4 load_16(const void *address) { return *static_cast<const Words4 *>(address); }

WEIR_DEVICE Words4 load_16_stream(const void *address) {
  Words4 words;
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
               : "l"(address));
  return words;
}

WEIR_DEVICE void store_16(void *address, Words4 words) { *static_cast<Words4 *>(address) = words; }

WEIR_DEVICE uint32_t shared_address(const void *shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// A source size of 0 writes zeros and reads nothing.
WEIR_DEVICE void cp_async_16(void *shared, const void *global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}

// Not volatile: the compiler makes it once and keeps it.
WEIR_DEVICE uint64_t evict_first() {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

WEIR_DEVICE void cp_async_16_stream(void *shared, const void *global, bool valid) {
  asm volatile("cp.async.cg.shared.global.L2::cache_hint.L2::256B [%0], [%1], 16, %2, %3;"
               :
               : "r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0), "l"(evict_first())
               : "memory");
}

WEIR_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int PENDING> WEIR_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" : : "n"(PENDING) : "memory");
}

WEIR_DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

WEIR_DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

WEIR_DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

WEIR_DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}

template <class T> WEIR_DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

template <> WEIR_DEVICE void mma<bf16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <> WEIR_DEVICE void mma<f16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

WEIR_DEVICE uint32_t bits_of(float value) { return __float_as_uint(value); }
WEIR_DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }

WEIR_DEVICE float to_float(float value) { return value; }
WEIR_DEVICE float to_float(bf16 value) { return float_of(static_cast<uint32_t>(value.bits) << 16); }
WEIR_DEVICE float to_float(f16 value) { return __half2float(__ushort_as_half(value.bits)); }

template <class T> WEIR_DEVICE T round_to(float value);
template <> WEIR_DEVICE float round_to<float>(float value) { return value; }
template <> WEIR_DEVICE bf16 round_to<bf16>(float value) {
  return bf16{__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}
template <> WEIR_DEVICE f16 round_to<f16>(float value) { return f16{__half_as_ushort(__float2half_rn(value))}; }

template <class T> WEIR_DEVICE uint32_t pack(float low, float high) {
  return static_cast<uint32_t>(round_to<T>(low).bits) | static_cast<uint32_t>(round_to<T>(high).bits) << 16;
}
template <class T> WEIR_DEVICE float low(uint32_t pair) { return to_float(T{static_cast<uint16_t>(pair)}); }
template <class T> WEIR_DEVICE float high(uint32_t pair) { return to_float(T{static_cast<uint16_t>(pair >> 16)}); }

WEIR_DEVICE float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
WEIR_DEVICE float exponential(float x) { return expf(x); }
WEIR_DEVICE float exponential_2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
WEIR_DEVICE float logarithm(float x) { return logf(x); }
WEIR_DEVICE float tangent_h(float x) { return tanhf(x); }
WEIR_DEVICE float inverse_root(float x) { return __frcp_rn(__fsqrt_rn(x)); }

WEIR_DEVICE int32_t atomic_add(int32_t *address, int32_t value) { return atomicAdd(address, value); }
WEIR_DEVICE uint64_t atomic_add(uint64_t *address, uint64_t value) {
  return atomicAdd(reinterpret_cast<unsigned long long *>(address), static_cast<unsigned long long>(value));
}
WEIR_DEVICE uint64_t atomic_max(uint64_t *address, uint64_t value) {
  return atomicMax(reinterpret_cast<unsigned long long *>(address), static_cast<unsigned long long>(value));
}
WEIR_DEVICE void fence_device() { __threadfence(); }

} // namespace weir
