// Runs launches: blocks one after the other, the threads of a block as fibers that hand over to each other wherever
// they wait.
#include "checks.h"
#include "emulator.h"

#include <algorithm>
#include <mutex>
#include <stdio.h>
#include <string.h>

namespace weir::emulator {

Launch launch;
Block *residents[MAX_RESIDENT];
Block *block;
Thread *current;

namespace {

Registered *registered;

// How often, under the random order, a warp that could go on lets another one go first: once in so many collectives.
constexpr uint64_t WARP_CHANGE = 8;

// A thread that waits for another block asks again and again; here it has asked often enough.
constexpr uint64_t MAX_IDLE_ATOMICS = 1'000'000;

int pick(uint32_t mask) {
  switch (launch.given->order) {
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

/* Goes on with `next`, which may be a thread of another block. Returns when someone goes on with the current one. */
void go_on_with(Block *of, Thread *next) {
  Thread *self = current;
  block = of;
  current = next;
  if (next != self) {
    switch_fiber(self->fiber, next->fiber);
  }
}

void begin_block(Block &fresh);

Thread *any_thread(const Block &of) {
  const Warp &warp = of.warps[pick(of.runnable_warps)];
  return &warp.threads[pick(warp.runnable)];
}

/* The thread with which a block goes on, or begins where the slot has none. */
Thread *first_of(Block &of) {
  if (!of.resident) {
    begin_block(of);
  }
  Thread *first = of.interrupted != nullptr ? of.interrupted : any_thread(of);
  of.interrupted = nullptr;
  return first;
}

/* The current block has ended: weir_run's own stack goes on, and no thread's any more. */
[[noreturn]] void end_block() {
  block->resident = false;
  Fiber left;
  switch_fiber(left, launch.home);
  __builtin_unreachable();
}

/* Hands over to a thread that can run. Returns when the current one is handed over to. */
void hand_over(Warp &warp) {
  if (warp.runnable != 0 &&
      (launch.given->order != WEIR_RANDOM || warp.collective != 0 || random_bits() % WARP_CHANGE != 0)) {
    go_on_with(block, &warp.threads[pick(warp.runnable)]);
    return;
  }
  if (block->runnable_warps == 0) {
    // Every thread of the block has left or waits at the block's barrier.
    bool waiting = false;
    checks::block_barrier();
    for (uint32_t i = 0; i < launch.warps; i++) {
      Warp &each = block->warps[i];
      each.runnable = each.barrier;
      each.barrier = 0;
      if (each.runnable != 0) {
        waiting = true;
        block->runnable_warps |= 1u << i;
      }
    }
    if (!waiting) {
      end_block();
    }
  }
  go_on_with(block, any_thread(*block));
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
  launch.given->kernel->body(launch.arguments);
  Thread &self = *current;
  Warp &warp = *self.warp;
  self.wait = Wait::EXIT;
  self.site = nullptr;
  warp.alive &= ~(1u << (self.index % WARP));
  stop(self, warp);
  hand_over(warp);
  __builtin_unreachable();
}

uint64_t next_index() {
  const uint64_t turn = launch.begun++;
  switch (launch.given->order) {
  case WEIR_REVERSE:
    return launch.blocks - 1 - turn;
  case WEIR_RANDOM:
    return launch.order[turn];
  default:
    return turn;
  }
}

void begin_block(Block &fresh) {
  const weir_launch &given = *launch.given;
  const uint64_t index = next_index();
  fresh.index[0] = static_cast<uint32_t>(index % given.grid[0]);
  fresh.index[1] = static_cast<uint32_t>(index / given.grid[0] % given.grid[1]);
  fresh.index[2] = static_cast<uint32_t>(index / given.grid[0] / given.grid[1]);
  fresh.resident = true;
  fresh.interrupted = nullptr;
  memset(fresh.shared, POISON, fresh.shared_used);
  fresh.static_bytes = 0;
  fresh.declared.clear();
  fresh.declared.push_back({nullptr, 0, given.dynamic_shared_bytes});
  fresh.recent = nullptr;
  fresh.shared_used = (given.dynamic_shared_bytes + SHARED_GAP + 127) / 128 * 128;
  fresh.runnable_warps = launch.warps == MAX_WARPS ? ALL : (1u << launch.warps) - 1;
  for (uint32_t i = 0; i < launch.warps; i++) {
    Warp &warp = fresh.warps[i];
    warp.alive = warp.runnable = ALL;
    warp.collective = warp.barrier = 0;
  }
  for (uint32_t i = 0; i < launch.threads; i++) {
    Thread &thread = fresh.threads[i];
    thread.wait = Wait::NOTHING;
    reset_copies(thread);
    prepare(thread.fiber, fresh.stacks.bottom(i), fresh.stacks.top(i), thread_entry);
  }
  checks::block_begins(fresh);
}

void run_blocks() {
  const weir_launch &given = *launch.given;
  launch.blocks = static_cast<uint64_t>(given.grid[0]) * given.grid[1] * given.grid[2];
  launch.begun = 0;
  launch.order.clear();
  if (given.order == WEIR_RANDOM) {
    for (uint64_t i = 0; i < launch.blocks; i++) {
      launch.order.push_back(static_cast<uint32_t>(i));
    }
    for (uint64_t i = launch.blocks; i > 1; i--) {
      std::swap(launch.order[i - 1], launch.order[random_bits() % i]);
    }
  }
  Block *next = residents[0];
  while (next != nullptr && !launch.failed) {
    block = next;
    current = first_of(*next);
    switch_fiber(launch.home, current->fiber);
    // A block has ended. The next begins in its place, or one that waits for its turn goes on.
    if (launch.begun == launch.blocks) {
      next = nullptr;
      for (Block *other : residents) {
        if (other != nullptr && other->resident) {
          next = other;
        }
      }
    } else {
      next = block;
    }
  }
}

/* A place in which another block may do something first: the current one is about to touch what both can. */
void meet_other_blocks() {
  size_t slots = 0;
  while (slots < MAX_RESIDENT && residents[slots] != nullptr) {
    slots++;
  }
  if (launch.given->order == WEIR_RANDOM && random_bits() % 2 == 0) {
    return;
  }
  const size_t first = launch.given->order == WEIR_RANDOM ? random_bits() % slots : block->slot + 1;
  for (size_t i = 0; i < slots; i++) {
    Block &other = *residents[(first + i) % slots];
    if (&other == block) {
      return;
    }
    if (other.resident || launch.begun < launch.blocks) {
      block->interrupted = current;
      go_on_with(&other, first_of(other));
      return;
    }
  }
}

/* Before an atomic operation. */
void before_atomic(const void *address, size_t bytes, const void *site) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  if (at % bytes != 0) {
    fail(site, "an atomic operation on %zu bytes at %p, which is not a multiple of %zu", bytes, address, bytes);
  }
  if (at - reinterpret_cast<uintptr_t>(block->shared) >= sizeof block->shared) {
    meet_other_blocks();
  }
  checks::atomic(address, bytes, site);
}

/* Behind one. */
void behind_atomic(bool changed, const void *site) {
  launch.idle_atomics = changed ? 0 : launch.idle_atomics + 1;
  if (launch.idle_atomics > MAX_IDLE_ATOMICS) {
    fail(site, "waits for ever: %llu atomic operations, one after the other, changed nothing",
         static_cast<unsigned long long>(MAX_IDLE_ATOMICS));
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
    return static_cast<int>(launch.threads);
  case Index::BLOCK_X:
    return static_cast<int>(block->index[0]);
  case Index::BLOCK_Y:
    return static_cast<int>(block->index[1]);
  case Index::BLOCK_Z:
    return static_cast<int>(block->index[2]);
  default:
    return static_cast<int>(launch.given->grid[0]);
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
  block->recent = nullptr; // the list may have moved
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
  before_atomic(address, sizeof *address, __builtin_return_address(0));
  const int32_t before = *address;
  *address = static_cast<int32_t>(static_cast<uint32_t>(before) + static_cast<uint32_t>(value));
  behind_atomic(value != 0, __builtin_return_address(0));
  return before;
}

uint64_t atomic_add(uint64_t *address, uint64_t value) {
  before_atomic(address, sizeof *address, __builtin_return_address(0));
  const uint64_t before = *address;
  *address = before + value;
  behind_atomic(value != 0, __builtin_return_address(0));
  return before;
}

uint64_t atomic_max(uint64_t *address, uint64_t value) {
  before_atomic(address, sizeof *address, __builtin_return_address(0));
  const uint64_t before = *address;
  *address = std::max(before, value);
  behind_atomic(*address != before, __builtin_return_address(0));
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

WEIR_EXPORTED int weir_run(const weir_launch *given, char *report, uint64_t report_bytes) {
  using namespace weir::emulator;
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (const char *refused = refuse(*given)) {
    snprintf(report, report_bytes, "kernel %s: %s", given->kernel->name, refused);
    return 1;
  }
  const uint64_t blocks = static_cast<uint64_t>(given->grid[0]) * given->grid[1] * given->grid[2];
  for (size_t slot = 0; slot < MAX_RESIDENT; slot++) {
    if (residents[slot] == nullptr) {
      if (slot >= blocks) {
        break;
      }
      residents[slot] = new Block();
      residents[slot]->slot = slot;
    }
    Block &each = *residents[slot];
    each.resident = false;
    if (!each.stacks.allocate()) {
      snprintf(report, report_bytes, "kernel %s: no memory for the threads' stacks", given->kernel->name);
      return 1;
    }
    for (uint32_t i = 0; i < given->block[0]; i++) {
      each.threads[i].index = static_cast<int>(i);
      each.threads[i].warp = &each.warps[i / weir::WARP];
    }
    for (uint32_t i = 0; i < given->block[0] / weir::WARP; i++) {
      each.warps[i].index = static_cast<int>(i);
      each.warps[i].threads = &each.threads[i * weir::WARP];
    }
  }
  std::vector<uint64_t> arguments((given->kernel->argument_bytes + 7) / 8); // memory of its own, as on a GPU
  memcpy(arguments.data(), given->arguments, given->kernel->argument_bytes);
  launch.given = given;
  launch.arguments = arguments.data();
  launch.threads = given->block[0];
  launch.warps = given->block[0] / weir::WARP;
  launch.random = given->seed;
  launch.idle_atomics = 0;
  launch.failed = false;
  launch.report = report;
  launch.report_bytes = report_bytes;
  checks::launch_begins();
  run_blocks();
  current = nullptr;
  return launch.failed ? 1 : 0;
}
