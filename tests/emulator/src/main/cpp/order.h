// The order between blocks of one launch. There is none, except what a thread publishes with fence_device() and an
// atomic operation, and another takes up with an atomic operation on the same address and fence_device().
#pragma once

#include "emulator.h"

#include <bitset>
#include <memory>
#include <unordered_map>
#include <vector>

namespace weir::emulator {

class BlockOrder {
public:
  void launch_begins();
  void block_begins(const Block &fresh);
  /* The current thread's atomic operation on `address`, and its fence. */
  void atomic(uintptr_t address);
  void fence(uint32_t tick);

  /* Whether what `writer` of another block did at `tick` is ordered before what `thread` of the current one does now. */
  bool ordered(uint32_t serial, uint32_t tick, int writer, const Thread &thread) const;
  /* Whether `thread` has taken up anything at all from other blocks. */
  bool took_up(const Thread &thread) const;

private:
  struct Published;
  struct Location {
    std::vector<Published> published;                            // one after the other
    std::unordered_map<uint32_t, std::vector<size_t>> by_block; // where in there a block's are
  };
  /* The first `count` things that were published through a location. */
  struct Prefix {
    const Location *location;
    size_t count;
  };
  struct Published {
    uint32_t serial;              // of the block
    uint32_t cover;               // all that the block did before this tick
    std::vector<uint32_t> own;    // per thread: also what it did itself up to this tick
    std::vector<Prefix> taken_up; // and what it had taken up
  };
  struct Fence {
    uint32_t block_tick = 0, warp_tick = 0;
  };
  struct Observed {
    Prefix prefix;
    int thread;
    uint32_t block_tick, warp_tick;
  };
  struct TakenUp {
    Prefix prefix;
    uint32_t tick; // of the first fence: behind a barrier after it, for all
    std::bitset<MAX_THREADS> threads;
  };
  /* A resident block's. */
  struct Side {
    std::vector<Fence> fences; // per thread; empty: none yet
    std::vector<Observed> observed;
    std::vector<TakenUp> taken_up;
  };

  static bool before(int thread, uint32_t block_tick, uint32_t warp_tick, const Thread &now, uint32_t block_tick_now);
  static bool holds(const TakenUp &taken, const Thread &thread);
  static bool published(const Prefix &prefix, uint32_t serial, uint32_t tick, int writer);

  std::unordered_map<uintptr_t, std::unique_ptr<Location>> locations;
  Side sides[MAX_RESIDENT];
};

} // namespace weir::emulator
