// The order between blocks of one launch. There is none, except what a thread publishes with fence_device() and an
// atomic operation, and another takes up with an atomic operation on the same address and fence_device().
#pragma once

#include "emulator.h"

#include <array>
#include <bitset>
#include <memory>
#include <unordered_map>
#include <vector>

namespace weir::emulator {

class BlockOrder {
public:
  void launch_begins();
  void block_begins(uint32_t first_tick);
  /* The current thread's atomic operation on `address`, and its fence. */
  void atomic(uintptr_t address, uint32_t block_tick);
  void fence(uint32_t block_tick, uint32_t tick);

  /* Whether the write at `tick` by `writer` of an earlier block is ordered before what `thread` does now. */
  bool ordered(uint32_t tick, int writer, const Thread &thread, uint32_t block_tick) const;
  /* Whether `thread` has taken up anything at all from earlier blocks. */
  bool took_up(const Thread &thread, uint32_t block_tick) const;
  /* The index of the block that ran at `tick`. */
  const std::array<uint32_t, 3> &index_at(uint32_t tick) const { return indices[block_at(tick)]; }

private:
  struct Published;
  struct Location {
    std::vector<Published> published; // by ascending block
  };
  /* The first `count` things that were published through a location. */
  struct Prefix {
    const Location *location;
    size_t count;
  };
  struct Published {
    size_t block;
    uint32_t cover;                 // all that the block did before this tick
    std::vector<uint32_t> own;      // per thread: also what it did itself up to this tick
    std::vector<Prefix> taken_up;   // and what it had taken up
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

  size_t block_at(uint32_t tick) const; // counted as they ran
  static bool before(int thread, uint32_t block_tick, uint32_t warp_tick, const Thread &now, uint32_t block_tick_now);
  bool holds(const TakenUp &taken, const Thread &thread, uint32_t block_tick) const;
  bool published(const Prefix &prefix, size_t block, uint32_t tick, int writer, int depth) const;

  std::vector<uint32_t> block_starts;
  std::vector<std::array<uint32_t, 3>> indices;
  std::unordered_map<uintptr_t, std::unique_ptr<Location>> locations;
  std::vector<Fence> fences; // per thread of the block; empty: none yet
  std::vector<Observed> observed;
  std::vector<TakenUp> taken_up;
};

} // namespace weir::emulator
