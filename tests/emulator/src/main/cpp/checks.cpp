// The checked library's hooks.
#include "checks.h"

#ifdef WEIR_CHECKED

namespace weir::emulator::checks {
void launch_begins() {}
void launch_ends() {}
void block_begins() {}
void block_barrier() {}
void warp_barrier(Warp &) {}
void stream_read(const void *, const void *) {}
void matrix_row_read(const Thread &) {}
void atomic(const void *, size_t, const void *) {}
void fence() {}
void copy_issued(const Copy &) {}
void copy_waited_for(const Copy &) {}
} // namespace weir::emulator::checks

#define WEIR_HOOK(name, ...)                                                                                          \
  extern "C" void name(__VA_ARGS__) {}

WEIR_HOOK(__tsan_init)
#define WEIR_HOOKS(size)                                                                                              \
  WEIR_HOOK(__tsan_read##size, void *) WEIR_HOOK(__tsan_write##size, void *)                                          \
  WEIR_HOOK(__tsan_unaligned_read##size, void *) WEIR_HOOK(__tsan_unaligned_write##size, void *)
WEIR_HOOKS(1)
WEIR_HOOKS(2)
WEIR_HOOKS(4)
WEIR_HOOKS(8)
WEIR_HOOKS(16)
WEIR_HOOK(__tsan_read_range, void *, unsigned long)
WEIR_HOOK(__tsan_write_range, void *, unsigned long)

#endif
