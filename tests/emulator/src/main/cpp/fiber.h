// Fibers: stacks of their own, and a switch between two of them that saves what a called function must preserve.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace weir::emulator {

/* Where a fiber goes on when it is next switched to. */
struct Fiber {
#ifdef __x86_64__
  void *stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
};

/* Lays `fiber` so that the first switch to it calls `entry` on the stack that ends at `top`. `entry` never returns. */
void prepare(Fiber &fiber, unsigned char *bottom, unsigned char *top, void (*entry)());

/* Leaves `from`, goes on with `to`; returns when someone switches to `from`. */
void switch_fiber(Fiber &from, Fiber &to);

/* As many stacks as a block has threads. Never given back. What a kernel keeps on its stack would be in registers on a
 * GPU, so there is room to spare; recursion without end meets the inaccessible page below each warp's stacks. (A page
 * below each stack would use up the mappings that a process may have.) */
class Stacks {
public:
  static constexpr size_t COUNT = 1024;
  static constexpr size_t GROUP = 32;
  static constexpr size_t BYTES = 64 * 1024;
  static constexpr size_t GUARD = 4096;
  static constexpr size_t STRIDE = GROUP * BYTES + GUARD;
  static constexpr size_t ALL_BYTES = COUNT / GROUP * STRIDE;

  bool allocate();
  unsigned char *bottom(size_t index) const {
    return memory + index / GROUP * STRIDE + GUARD + index % GROUP * BYTES;
  }
  // Staggered: tops a whole number of pages apart would all compete for the same few cache sets.
  unsigned char *top(size_t index) const { return bottom(index) + BYTES - 64 * ((index * 5) % 61); }
  bool holds(uintptr_t address) const {
    return address - reinterpret_cast<uintptr_t>(memory) < (memory == nullptr ? 0 : ALL_BYTES);
  }

private:
  unsigned char *memory = nullptr;
};

} // namespace weir::emulator
