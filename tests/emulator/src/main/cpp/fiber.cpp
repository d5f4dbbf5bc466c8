#include "fiber.h"

#include <sys/mman.h>

namespace weir::emulator {

bool Stacks::allocate() {
  if (memory != nullptr) {
    return true;
  }
  void *mapped = mmap(nullptr, ALL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    return false;
  }
  memory = static_cast<unsigned char *>(mapped);
  for (size_t i = 0; i < COUNT; i += GROUP) {
    if (mprotect(memory + i / GROUP * STRIDE, GUARD, PROT_NONE) != 0) {
      munmap(mapped, ALL_BYTES);
      memory = nullptr;
      return false;
    }
  }
  return true;
}

#ifdef __x86_64__

extern "C" void weir_switch_stack(void **save, void *restore);

// The jump (not a return) keeps the processor's return predictor out of it: it would be wrong every time.
asm(R"(
.text
.p2align 4
.globl weir_switch_stack
.hidden weir_switch_stack
.type weir_switch_stack, @function
weir_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
.size weir_switch_stack, .-weir_switch_stack
)");

void prepare(Fiber &fiber, unsigned char *, unsigned char *top, void (*entry)()) {
  void **words = reinterpret_cast<void **>(top);
  *--words = nullptr; // where a return address would be: the entry is aligned as if it had been called
  *--words = reinterpret_cast<void *>(entry);
  for (int saved = 0; saved < 6; saved++) {
    *--words = nullptr;
  }
  fiber.stack_pointer = words;
}

void switch_fiber(Fiber &from, Fiber &to) { weir_switch_stack(&from.stack_pointer, to.stack_pointer); }

#else

void prepare(Fiber &fiber, unsigned char *bottom, unsigned char *top, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = bottom;
  fiber.context.uc_stack.ss_size = static_cast<size_t>(top - bottom);
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

void switch_fiber(Fiber &from, Fiber &to) { swapcontext(&from.context, &to.context); }

#endif

} // namespace weir::emulator
