// What a kernel may say. Kernels are written in this vocabulary and in plain C++ alone: no CUDA built-in, no
// inline PTX. It has two meanings: ptx.h for nvcc, and the emulator's emulated.h for a host compiler, so that the
// same kernel source runs on a GPU and in every test run. All of it is in namespace weir.
//
// The names, with T one of float, int32_t, uint32_t:
//
//   indices       thread_index() block_threads() block_index() block_index_y() block_index_z() grid_size()
//                 lane() warp()
//   barriers      sync_block()  sync_warp()
//   warps         shuffle(T, source_lane) shuffle_xor(T, mask) warp_sum(float) warp_max(float) ballot(bool)
//                 Every lane of the warp takes part. warp_sum and warp_max fold as a butterfly: lane masks 16, 8, 4,
//                 2, 1, so all lanes get the same bits.
//   shared memory WEIR_SHARED(type, name, count)   WEIR_DYNAMIC_SHARED(name)
//                 Declarations inside a kernel's body; `name` is then a type* (unsigned char*, 128-byte aligned).
//                 Its contents are undefined when a block starts. MULTIPROCESSOR_SHARED_BYTES: what a multiprocessor of
//                 the architecture has for all its blocks, each of which costs 1 KiB more than it asks for.
//   16 bytes      Words4 load_16(const void*) load_16_stream(const void*) store_16(void*, Words4)
//                 Addresses are 16-byte aligned. "stream": read once by the whole grid, not kept in caches; only
//                 for memory that the launch does not write.
//   cp.async      cp_async_16(shared, global, valid)  cp_async_16_stream(…)  cp_async_commit()  cp_async_wait<N>()
//                 Copies 16 bytes, or writes 16 zero bytes where !valid (the address is then not read). A copy has
//                 landed for the thread that issued it after cp_async_wait<N> leaves at most N younger groups
//                 pending; for other threads after a barrier behind that.
//   ldmatrix      ldmatrix_x4(uint32_t (&r)[4], row) ldmatrix_x2(uint32_t (&r)[2], row) and …_trans: 8×8 matrices of
//                 16-bit elements; lane 8i…8i+7 gives the 16-byte aligned shared row addresses of matrix i.
//   mma           mma<bf16|f16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]): d += a·b, m16n8k16,
//                 fragments as in the PTX ISA.
//   numbers       to_float(bf16|f16|float) round_to<bf16|f16|float>(float) (nearest, ties to even)
//                 pack<bf16|f16>(low, high) → uint32_t, low half first; low<T>(uint32_t) high<T>(uint32_t) → float
//                 fused(a, b, c) = a·b + c in one rounding; nothing else is fused (nvcc -fmad=false)
//                 exponential(x) logarithm(x) tangent_h(x) inverse_root(x) = 1/√x: within 2 ulp
//                 exponential_2(x) = 2^x: within 2 ulp; bits_of(float) float_of(uint32_t)
//   order         atomic_add(int32_t* or uint64_t*, v) atomic_max(uint64_t*, v) → the value before; device scope, relaxed
//                 fence_device(): what this thread wrote before is seen by whoever sees what it writes after
//
//   kernels       WEIR_KERNEL(name, Arguments, threads, blocks_per_multiprocessor, shared_bytes) { body }
//                 `arguments` is the kernel's only parameter, a struct in constant memory of 8-byte fields alone:
//                 pointers, int64_t, double. `threads` is the block size it is launched with, a multiple of 32.
//                 `shared_bytes` is its dynamic shared memory, exported as the global <name>_shared.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace weir {

struct bf16 {
  uint16_t bits;
};

struct f16 {
  uint16_t bits;
};

struct alignas(16) Words4 {
  uint32_t x, y, z, w;
};

constexpr int WARP = 32;

} // namespace weir

#ifdef __CUDACC__
#include "ptx.h"
#else
#include "emulated.h"
#endif
