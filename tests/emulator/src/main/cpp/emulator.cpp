// Runs launches: blocks one after the other, the threads of a block as fibers that hand over to each other wherever
// they wait.
#include "checks.h"
#include "emulator.h"

#include <algorithm>
#include <mutex>
#include <stdio.h>
#include <string.h>

namespace weir::emulator {

Block *block;
Thread *current;

namespace {

Registered *registered;

// How often, under the random order, a warp that could go on lets another one go first: once in so many collectives.
constexpr uint64_t WARP_CHANGE = 8;

int pick(uint32_t mask) {
  switch (block->launch->order) {
  case WEIR_REVERSE:
    return 31 - __builtin_clz(mask);
  case WEIR_RANDOM: {
    int skipped = static_cast<int>(random_bits() % static_cast<uint64_t>(__builtin_popcount(mask)));
    for (; skipped > 0; skipped--) {
      mask &= mask - 1;
    }
    return __builtin_ctz(mask);
  }
  default:
    return __builtin_ctz(mask);
  }
}

void lanes_text(uint32_t lanes, char *text, size_t bytes) {
  if (lanes == ALL) {
    snprintf(text, bytes, "all lanes");
    return;
  }
  size_t used = static_cast<size_t>(snprintf(text, bytes, "lanes"));
  for (int lane = 0; lane < WARP && used < bytes; lane++) {
    if ((lanes >> lane & 1) == 0) {
      continue;
    }
    int last = lane;
    while (last + 1 < WARP && (lanes >> (last + 1) & 1) != 0) {
      last++;
    }
    used += static_cast<size_t>(last == lane ? snprintf(text + used, bytes - used, " %d", lane)
                                             : snprintf(text + used, bytes - used, " %d-%d", lane, last));
    lane = last;
  }
}

/* The warp can never go on: says who waits where. */
[[noreturn]] void divergent(const Warp &warp) {
  char text[1024];
  size_t used = 0;
  text[0] = 0;
  uint32_t told = 0;
  for (int lane = 0; lane < WARP && used < sizeof text; lane++) {
    if ((told >> lane & 1) != 0) {
      continue;
    }
    const Thread &first = warp.threads[lane];
    uint32_t same = 0;
    for (int other = lane; other < WARP; other++) {
      const Thread &thread = warp.threads[other];
      if (thread.wait == first.wait && (first.wait == Wait::EXIT || thread.site == first.site)) {
        same |= 1u << other;
      }
    }
    told |= same;
    char lanes[160];
    lanes_text(same, lanes, sizeof lanes);
    if (first.wait == Wait::EXIT) {
      used += static_cast<size_t>(
          snprintf(text + used, sizeof text - used, "%s%s have left the kernel", used == 0 ? "" : "; ", lanes));
    } else {
      char where[256];
      describe_site(first.site, where, sizeof where);
      used += static_cast<size_t>(snprintf(text + used, sizeof text - used, "%s%s wait in %s at %s",
                                           used == 0 ? "" : "; ", lanes, name_of(first.wait), where));
    }
  }
  fail(current->site, "the lanes of warp %d part before a collective that needs them all: %s", warp.index, text);
}

/* Hands over to a thread that can run. Returns when the current one is handed over to. */
void hand_over(Warp &warp) {
  Thread *next;
  if (warp.runnable != 0 &&
      (block->launch->order != WEIR_RANDOM || warp.collective != 0 || random_bits() % WARP_CHANGE != 0)) {
    next = &warp.threads[pick(warp.runnable)];
  } else {
    if (block->runnable_warps == 0) {
      // Every thread of the block has left or waits at the block's barrier.
      bool waiting = false;
      checks::block_barrier();
      for (uint32_t i = 0; i < block->warps_count; i++) {
        Warp &each = block->warps[i];
        each.runnable = each.barrier;
        each.barrier = 0;
        if (each.runnable != 0) {
          waiting = true;
          block->runnable_warps |= 1u << i;
        }
      }
      if (!waiting) {
        Fiber left;
        switch_fiber(left, block->home);
      }
    }
    Warp &other = block->warps[pick(block->runnable_warps)];
    next = &other.threads[pick(other.runnable)];
  }
  if (next != current) {
    Thread *self = current;
    current = next;
    switch_fiber(self->fiber, next->fiber);
  }
}

/* The current lane stops running, and waits or has left. */
void stop(Thread &self, Warp &warp) {
  warp.runnable &= ~(1u << (self.index % WARP));
  if (warp.runnable == 0) {
    block->runnable_warps &= ~(1u << warp.index);
    if (warp.collective != 0) {
      divergent(warp); // the other lanes left, or wait at a barrier that needs these
    }
  }
}

void thread_entry() {
  block->launch->kernel->body(block->arguments);
  Thread &self = *current;
  Warp &warp = *self.warp;
  self.wait = Wait::EXIT;
  self.site = nullptr;
  warp.alive &= ~(1u << (self.index % WARP));
  stop(self, warp);
  hand_over(warp);
  __builtin_unreachable();
}

void run_block(uint32_t x, uint32_t y, uint32_t z) {
  const weir_launch &launch = *block->launch;
  block->index[0] = x;
  block->index[1] = y;
  block->index[2] = z;
  block->declared.clear();
  block->static_bytes = 0;
  if (block->shared_used != 0) {
    memset(block->shared, POISON, block->shared_used);
  }
  block->shared_used = 0;
  block->declared.push_back({nullptr, 0, launch.dynamic_shared_bytes});
  block->shared_used = (launch.dynamic_shared_bytes + SHARED_GAP + 127) / 128 * 128;
  block->runnable_warps = block->warps_count == MAX_WARPS ? ALL : (1u << block->warps_count) - 1;
  for (uint32_t i = 0; i < block->warps_count; i++) {
    Warp &warp = block->warps[i];
    warp.alive = warp.runnable = ALL;
    warp.collective = warp.barrier = 0;
  }
  for (uint32_t i = 0; i < block->threads_count; i++) {
    Thread &thread = block->threads[i];
    thread.wait = Wait::NOTHING;
    reset_copies(thread);
    prepare(thread.fiber, block->stacks.bottom(i), block->stacks.top(i), thread_entry);
  }
  checks::block_begins();
  Warp &first = block->warps[pick(block->runnable_warps)];
  current = &first.threads[pick(first.runnable)];
  switch_fiber(block->home, current->fiber);
}

void run_blocks() {
  const weir_launch &launch = *block->launch;
  const uint64_t count = static_cast<uint64_t>(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  std::vector<uint32_t> shuffled;
  if (launch.order == WEIR_RANDOM) {
    for (uint64_t i = 0; i < count; i++) {
      shuffled.push_back(static_cast<uint32_t>(i));
    }
    for (uint64_t i = count; i > 1; i--) {
      std::swap(shuffled[i - 1], shuffled[random_bits() % i]);
    }
  }
  for (uint64_t i = 0; i < count && !block->failed; i++) {
    const uint64_t index = launch.order == WEIR_RANDOM ? shuffled[i] : launch.order == WEIR_REVERSE ? count - 1 - i : i;
    run_block(static_cast<uint32_t>(index % launch.grid[0]),
              static_cast<uint32_t>(index / launch.grid[0] % launch.grid[1]),
              static_cast<uint32_t>(index / launch.grid[0] / launch.grid[1]));
  }
}

/* What is wrong with the launch itself, or null. */
const char *refuse(const weir_launch &launch) {
  const weir_kernel &kernel = *launch.kernel;
  const uint64_t blocks = static_cast<uint64_t>(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  if (blocks == 0 || blocks > UINT32_MAX) {
    return "an empty grid, or one of 2^32 blocks or more";
  }
  if (launch.block[0] != kernel.threads || launch.block[1] != 1 || launch.block[2] != 1) {
    return "launched with another block size than it is written for";
  }
  if (launch.dynamic_shared_bytes < static_cast<uint64_t>(kernel.shared_bytes)) {
    return "launched with less dynamic shared memory than it is written for";
  }
  if (launch.dynamic_shared_bytes > SHARED_BYTES) {
    return "launched with more dynamic shared memory than any GPU has";
  }
  return nullptr;
}

} // namespace

Registered::Registered(const weir_kernel &kernel, Registered *) : kernel(kernel), next(registered) {
  registered = this;
}

int index(Index which) noexcept {
  switch (which) {
  case Index::THREAD:
    return current->index;
  case Index::THREADS:
    return static_cast<int>(block->threads_count);
  case Index::BLOCK_X:
    return static_cast<int>(block->index[0]);
  case Index::BLOCK_Y:
    return static_cast<int>(block->index[1]);
  case Index::BLOCK_Z:
    return static_cast<int>(block->index[2]);
  default:
    return static_cast<int>(block->launch->grid[0]);
  }
}

void *shared(const SharedArray *array) {
  for (const Declared &declared : block->declared) {
    if (declared.array == array) {
      return block->shared + declared.begin;
    }
  }
  block->static_bytes += (array->bytes + 15) / 16 * 16;
  const size_t dynamic = block->declared[0].bytes;
  if (block->static_bytes > STATIC_SHARED_BYTES || block->static_bytes + dynamic > SHARED_BYTES ||
      block->shared_used + array->bytes + SHARED_GAP > sizeof block->shared) {
    fail(__builtin_return_address(0), "shared memory is full at '%s': %zu bytes declared (at most %zu), %zu dynamic",
         array->name, block->static_bytes, STATIC_SHARED_BYTES, dynamic);
  }
  const size_t begin = block->shared_used;
  block->declared.push_back({array, begin, array->bytes});
  checks::declared();
  block->shared_used = (begin + array->bytes + SHARED_GAP + 127) / 128 * 128;
  return block->shared + begin;
}

void *dynamic_shared() { return block->shared; }

void rendezvous(Wait kind, void (*work)(Warp &), const void *site) {
  Thread &self = *current;
  Warp &warp = *self.warp;
  self.wait = kind;
  self.site = site;
  warp.collective |= 1u << (self.index % WARP);
  if (warp.collective == ALL) {
    for (int lane = 0; lane < WARP; lane++) {
      if (warp.threads[lane].wait != kind) {
        divergent(warp);
      }
    }
    work(warp);
    warp.collective = 0;
    warp.runnable = ALL;
  } else {
    stop(self, warp);
  }
  hand_over(warp);
}

[[noreturn]] void misaligned(const void *address) {
  fail(__builtin_return_address(0), "accesses 16 bytes at %p, which is not a multiple of 16", address);
}

void read_once(const void *address) { checks::stream_read(address, __builtin_return_address(0)); }

} // namespace weir::emulator

namespace weir {

using namespace emulator;

void sync_block() {
  Thread &self = *current;
  Warp &warp = *self.warp;
  self.wait = Wait::SYNC_BLOCK;
  self.site = __builtin_return_address(0);
  warp.barrier |= 1u << (self.index % WARP);
  stop(self, warp);
  hand_over(warp);
}

void sync_warp() {
  rendezvous(Wait::SYNC_WARP, [](Warp &warp) { checks::warp_barrier(warp); }, __builtin_return_address(0));
}

int32_t atomic_add(int32_t *address, int32_t value) {
  checks::atomic(address, sizeof *address, __builtin_return_address(0));
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

uint64_t atomic_add(uint64_t *address, uint64_t value) {
  checks::atomic(address, sizeof *address, __builtin_return_address(0));
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

uint64_t atomic_max(uint64_t *address, uint64_t value) {
  checks::atomic(address, sizeof *address, __builtin_return_address(0));
  const uint64_t before = *address;
  *address = std::max(before, value);
  return before;
}

void fence_device() { checks::fence(); }

} // namespace weir

#define WEIR_EXPORTED extern "C" __attribute__((visibility("default")))

WEIR_EXPORTED const weir_kernel *weir_kernels(uint32_t *count) {
  static const std::vector<weir_kernel> kernels = [] {
    std::vector<weir_kernel> all;
    for (const weir::emulator::Registered *each = weir::emulator::registered; each != nullptr; each = each->next) {
      all.push_back(each->kernel);
    }
    std::sort(all.begin(), all.end(),
              [](const weir_kernel &a, const weir_kernel &b) { return strcmp(a.name, b.name) < 0; });
    return all;
  }();
  *count = static_cast<uint32_t>(kernels.size());
  return kernels.data();
}

WEIR_EXPORTED int weir_checked(void) {
#ifdef WEIR_CHECKED
  return 1;
#else
  return 0;
#endif
}

WEIR_EXPORTED int weir_run(const weir_launch *launch, char *report, uint64_t report_bytes) {
  using namespace weir::emulator;
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (const char *refused = refuse(*launch)) {
    snprintf(report, report_bytes, "kernel %s: %s", launch->kernel->name, refused);
    return 1;
  }
  if (block == nullptr) {
    block = new Block();
    memset(block->shared, POISON, sizeof block->shared);
  }
  if (!block->stacks.allocate()) {
    snprintf(report, report_bytes, "kernel %s: no memory for the threads' stacks", launch->kernel->name);
    return 1;
  }
  const std::vector<uint64_t> arguments = [&] { // launch memory of its own, as a kernel's parameters have
    std::vector<uint64_t> words((launch->kernel->argument_bytes + 7) / 8);
    memcpy(words.data(), launch->arguments, launch->kernel->argument_bytes);
    return words;
  }();
  block->launch = launch;
  block->arguments = arguments.data();
  block->threads_count = launch->block[0];
  block->warps_count = launch->block[0] / weir::WARP;
  block->random = launch->seed;
  block->failed = false;
  block->report = report;
  block->report_bytes = report_bytes;
  for (uint32_t i = 0; i < block->threads_count; i++) {
    block->threads[i].index = static_cast<int>(i);
    block->threads[i].warp = &block->warps[i / weir::WARP];
  }
  for (uint32_t i = 0; i < block->warps_count; i++) {
    block->warps[i].index = static_cast<int>(i);
    block->warps[i].threads = &block->threads[i * weir::WARP];
  }
  checks::launch_begins();
  run_blocks();
  current = nullptr;
  return block->failed ? 1 : 0;
}
