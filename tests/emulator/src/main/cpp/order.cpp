#include "order.h"

#include <algorithm>

namespace weir::emulator {

void BlockOrder::launch_begins() { locations.clear(); }

void BlockOrder::block_begins(const Block &fresh) { sides[fresh.slot] = {}; }

bool BlockOrder::before(int thread, uint32_t block_tick, uint32_t warp_tick, const Thread &now,
                        uint32_t block_tick_now) {
  return thread == now.index || block_tick < block_tick_now ||
         (thread / WARP == now.warp->index && warp_tick < now.warp->tick);
}

void BlockOrder::fence(uint32_t tick) {
  const Thread &self = *current;
  const uint32_t block_tick = block->barrier_tick;
  auto &[fences, observed, taken_up] = sides[block->slot];
  if (fences.empty()) {
    fences.resize(launch.threads);
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

void BlockOrder::atomic(uintptr_t address) {
  const Thread &self = *current;
  const uint32_t block_tick = block->barrier_tick;
  auto &[fences, observed, taken_up] = sides[block->slot];
  std::unique_ptr<Location> &location = locations[address];
  if (location == nullptr) {
    location = std::make_unique<Location>();
  }
  if (!location->published.empty()) {
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
  Published now{block->serial, 0, std::vector<uint32_t>(fences.size()), {}};
  for (size_t i = 0; i < fences.size(); i++) {
    const Fence &fence = fences[i];
    if (fence.warp_tick != 0 && before(static_cast<int>(i), fence.block_tick, fence.warp_tick, self, block_tick)) {
      now.cover = std::max(now.cover, fence.block_tick);
      now.own[i] = fence.warp_tick;
    }
  }
  for (const TakenUp &taken : taken_up) {
    if (holds(taken, self)) {
      now.taken_up.push_back(taken.prefix);
    }
  }
  if (now.cover == 0) {
    return;
  }
  // Whoever asks again and again publishes the same again and again.
  std::vector<size_t> &own = location->by_block[block->serial];
  if (!own.empty()) {
    const Published &before = location->published[own.back()];
    if (before.cover == now.cover && before.own == now.own && before.taken_up.size() == now.taken_up.size()) {
      return;
    }
  }
  own.push_back(location->published.size());
  location->published.push_back(std::move(now));
}

bool BlockOrder::holds(const TakenUp &taken, const Thread &thread) {
  return taken.threads.test(static_cast<size_t>(thread.index)) || taken.tick < block->barrier_tick;
}

bool BlockOrder::published(const Prefix &prefix, uint32_t serial, uint32_t tick, int writer) {
  std::vector<Prefix> open{prefix};
  std::unordered_map<const Location *, size_t> seen; // how many of a location's: others may have passed them on too
  while (!open.empty()) {
    const Prefix next = open.back();
    open.pop_back();
    const Location &location = *next.location;
    size_t &done = seen[next.location];
    if (next.count <= done) {
      continue;
    }
    const auto found = location.by_block.find(serial);
    if (found != location.by_block.end()) {
      for (const size_t index : found->second) {
        const Published &each = location.published[index];
        if (index < next.count && (tick < each.cover || tick <= each.own[static_cast<size_t>(writer)])) {
          return true;
        }
      }
    }
    for (size_t i = done; i < next.count; i++) {
      const std::vector<Prefix> &passed_on = location.published[i].taken_up;
      open.insert(open.end(), passed_on.begin(), passed_on.end());
    }
    done = next.count;
  }
  return false;
}

bool BlockOrder::ordered(uint32_t serial, uint32_t tick, int writer, const Thread &thread) const {
  const std::vector<TakenUp> &taken_up = sides[block->slot].taken_up;
  return std::any_of(taken_up.rbegin(), taken_up.rend(), [&](const TakenUp &taken) {
    return holds(taken, thread) && published(taken.prefix, serial, tick, writer);
  });
}

bool BlockOrder::took_up(const Thread &thread) const {
  const std::vector<TakenUp> &taken_up = sides[block->slot].taken_up;
  return std::any_of(taken_up.begin(), taken_up.end(), [&](const TakenUp &taken) { return holds(taken, thread); });
}

} // namespace weir::emulator
