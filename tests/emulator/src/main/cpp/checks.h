// What the checked library watches. The unchecked one compiles these words to nothing.
#pragma once

#include "emulator.h"

namespace weir::emulator::checks {

#ifdef WEIR_CHECKED

void launch_begins();
void block_begins(Block &fresh);
void block_barrier();
void warp_barrier(Warp &warp);
void stream_read(const void *address, const void *site);
void matrix_row_read(const Thread &thread);
void atomic(const void *address, size_t bytes, const void *site);
void fence();
void copy_issued(const Copy &copy);
void copy_waited_for(const Copy &copy);

#else

inline void launch_begins() {}
inline void block_begins(Block &) {}
inline void block_barrier() {}
inline void warp_barrier(Warp &) {}
inline void stream_read(const void *, const void *) {}
inline void matrix_row_read(const Thread &) {}
inline void atomic(const void *, size_t, const void *) {}
inline void fence() {}
inline void copy_issued(const Copy &) {}
inline void copy_waited_for(const Copy &) {}

#endif

} // namespace weir::emulator::checks
