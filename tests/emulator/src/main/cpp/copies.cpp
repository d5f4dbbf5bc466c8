// cp.async: a copy's bytes arrive somewhere between its issue and its wait; until then its destination is poisoned.
#include "checks.h"
#include "emulator.h"

#include <string.h>

namespace weir::emulator {

namespace {

constexpr size_t COPY_BYTES = 16;
constexpr size_t MAX_COPIES = 4096; // in flight per thread: more means that nobody waits

} // namespace

void land(Copy &copy) {
  if (copy.valid) {
    memcpy(copy.to, copy.from, COPY_BYTES);
  } else {
    memset(copy.to, 0, COPY_BYTES);
  }
  copy.landed = true;
}

void reset_copies(Thread &thread) {
  thread.copies.clear();
  thread.group = 0;
}

namespace {

void maybe_land(Copy &copy) {
  const weir_landing landing = launch.given->landing;
  if (!copy.landed && (landing == WEIR_LAND_EARLY || (landing == WEIR_LAND_RANDOM && random_bits() % 2 == 0))) {
    land(copy);
  }
}

} // namespace

void cp_async(void *shared, const void *global, bool valid) {
  const void *site = __builtin_return_address(0);
  Thread &self = *current;
  const uintptr_t to = reinterpret_cast<uintptr_t>(shared), from = reinterpret_cast<uintptr_t>(global);
  if (to % COPY_BYTES != 0 || (valid && from % COPY_BYTES != 0)) {
    fail(site, "copies 16 bytes to %p from %p: both must be multiples of 16", shared, global);
  }
  if (to - reinterpret_cast<uintptr_t>(block->shared) >= sizeof block->shared) {
    fail(site, "copies with cp_async to %p, which is not in shared memory", shared);
  }
  if (self.copies.size() == MAX_COPIES) {
    fail(site, "has %zu copies in flight and waits for none", MAX_COPIES);
  }
  Copy copy{static_cast<unsigned char *>(shared), static_cast<const unsigned char *>(global), self.group, valid, false,
            site};
  checks::copy_issued(copy);
  memset(copy.to, POISON, COPY_BYTES);
  maybe_land(copy);
  self.copies.push_back(copy);
}

void cp_async_commit() {
  for (Copy &copy : current->copies) {
    maybe_land(copy);
  }
  current->group++;
}

void cp_async_wait(int pending) {
  Thread &self = *current;
  size_t waited_for = 0;
  // Groups 0…group-1 are committed; all but the youngest `pending` of them have arrived from here on.
  while (waited_for < self.copies.size() &&
         self.copies[waited_for].group + static_cast<uint32_t>(pending) < self.group) {
    Copy &copy = self.copies[waited_for++];
    if (!copy.landed) {
      land(copy);
    }
    checks::copy_waited_for(copy);
  }
  self.copies.erase(self.copies.begin(), self.copies.begin() + static_cast<ptrdiff_t>(waited_for));
  for (Copy &copy : self.copies) {
    maybe_land(copy);
  }
}

} // namespace weir::emulator
