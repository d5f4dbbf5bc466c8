#include "order.h"

#include <algorithm>

namespace weir::emulator {

namespace {

constexpr int MAX_CHAIN = 8; // of blocks that pass on what they have taken up

} // namespace

void BlockOrder::launch_begins() {
  block_starts.clear();
  indices.clear();
  locations.clear();
}

void BlockOrder::block_begins(uint32_t first_tick) {
  block_starts.push_back(first_tick);
  indices.push_back({block->index[0], block->index[1], block->index[2]});
  fences.clear();
  observed.clear();
  taken_up.clear();
}

size_t BlockOrder::block_at(uint32_t tick) const {
  return static_cast<size_t>(std::upper_bound(block_starts.begin(), block_starts.end(), tick) - block_starts.begin()) -
         1;
}

bool BlockOrder::before(int thread, uint32_t block_tick, uint32_t warp_tick, const Thread &now,
                        uint32_t block_tick_now) {
  return thread == now.index || block_tick < block_tick_now ||
         (thread / WARP == now.warp->index && warp_tick < now.warp->tick);
}

void BlockOrder::fence(uint32_t block_tick, uint32_t tick) {
  const Thread &self = *current;
  if (fences.empty()) {
    fences.resize(block->threads_count);
  }
  fences[static_cast<size_t>(self.index)] = {block_tick, self.warp->tick};
  for (const Observed &each : observed) {
    if (!before(each.thread, each.block_tick, each.warp_tick, self, block_tick)) {
      continue;
    }
    const auto same = std::find_if(taken_up.begin(), taken_up.end(), [&](const TakenUp &taken) {
      return taken.prefix.location == each.prefix.location && taken.prefix.count == each.prefix.count;
    });
    TakenUp &taken = same != taken_up.end() ? *same : taken_up.emplace_back(TakenUp{each.prefix, tick, {}});
    taken.threads.set(static_cast<size_t>(self.index));
  }
}

void BlockOrder::atomic(uintptr_t address, uint32_t block_tick) {
  const Thread &self = *current;
  std::unique_ptr<Location> &location = locations[address];
  if (location == nullptr) {
    location = std::make_unique<Location>();
  }
  const size_t this_block = block_starts.size() - 1;
  if (!location->published.empty() && location->published.front().block != this_block) {
    const Prefix prefix{location.get(), location->published.size()};
    const bool known = std::any_of(observed.begin(), observed.end(), [&](const Observed &each) {
      return each.prefix.location == prefix.location && each.prefix.count == prefix.count && each.thread == self.index;
    });
    if (!known) {
      observed.push_back({prefix, self.index, block_tick, self.warp->tick});
    }
  }
  if (fences.empty()) {
    return;
  }
  Published now{this_block, 0, std::vector<uint32_t>(fences.size()), {}};
  for (size_t i = 0; i < fences.size(); i++) {
    const Fence &fence = fences[i];
    if (fence.warp_tick != 0 && before(static_cast<int>(i), fence.block_tick, fence.warp_tick, self, block_tick)) {
      now.cover = std::max(now.cover, fence.block_tick);
      now.own[i] = fence.warp_tick;
    }
  }
  for (const TakenUp &taken : taken_up) {
    if (holds(taken, self, block_tick)) {
      now.taken_up.push_back(taken.prefix);
    }
  }
  if (now.cover != 0) {
    location->published.push_back(std::move(now));
  }
}

bool BlockOrder::holds(const TakenUp &taken, const Thread &thread, uint32_t block_tick) const {
  return taken.threads.test(static_cast<size_t>(thread.index)) || taken.tick < block_tick;
}

bool BlockOrder::published(const Prefix &prefix, size_t block, uint32_t tick, int writer, int depth) const {
  const auto begin = prefix.location->published.begin();
  const auto end = begin + static_cast<ptrdiff_t>(prefix.count);
  auto each = std::lower_bound(begin, end, block, [](const Published &p, size_t wanted) { return p.block < wanted; });
  for (; each != end && each->block == block; each++) {
    if (tick < each->cover || tick <= each->own[static_cast<size_t>(writer)]) {
      return true;
    }
  }
  if (depth == MAX_CHAIN) {
    return false;
  }
  for (; each != end; each++) { // later blocks may have taken it up and passed it on
    for (const Prefix &passed_on : each->taken_up) {
      if (published(passed_on, block, tick, writer, depth + 1)) {
        return true;
      }
    }
  }
  return false;
}

bool BlockOrder::ordered(uint32_t tick, int writer, const Thread &thread, uint32_t block_tick) const {
  const size_t writing = block_at(tick);
  return std::any_of(taken_up.begin(), taken_up.end(), [&](const TakenUp &taken) {
    return holds(taken, thread, block_tick) && published(taken.prefix, writing, tick, writer, 0);
  });
}

bool BlockOrder::took_up(const Thread &thread, uint32_t block_tick) const {
  return std::any_of(taken_up.begin(), taken_up.end(),
                     [&](const TakenUp &taken) { return holds(taken, thread, block_tick); });
}

} // namespace weir::emulator
