// Watches every access of the kernels to memory. Kernels are compiled with -fsanitize=thread, which puts a call before
// each load and store; the calls end here instead of in the sanitizer's library.
//
// Two accesses of one block are ordered by a barrier between them: a write's tick is compared with the tick of the
// block's last barrier, and within a warp with the warp's. Shuffles and other collectives order nothing. Accesses of
// two blocks are ordered by BlockOrder alone, whichever of them happens to run first.
#include "checks.h"

#ifdef WEIR_CHECKED

#include "order.h"
#include "shadow.h"

#include <algorithm>
#include <array>
#include <link.h>
#include <stdio.h>
#include <string.h>

namespace weir::emulator::checks {

namespace {

enum class Access { READ, WRITE, ATOMIC_WRITE };

struct Image { // this library in memory
  uintptr_t begin = 0, end = 0;
};

uint32_t tick = 1;
uint32_t launch_first;
uint32_t serial;         // of the block that began last
uint32_t launch_serial;  // of the launch's first block
std::vector<std::array<uint32_t, 3>> indices; // of the launch's blocks, as they began
Cell shared_cells[MAX_RESIDENT][sizeof(Block::shared) / CELL_BYTES];
DeviceShadow device;
BlockOrder order;
Image image;

constexpr size_t RECENT_RANGES = 64;
const weir_range *recent_ranges[RECENT_RANGES];

constexpr uint32_t TICKS_ENOUGH = 0xC0000000u; // then all is forgotten and time starts again

int find_image(dl_phdr_info *info, size_t, void *) {
  const uintptr_t own = reinterpret_cast<uintptr_t>(&find_image);
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD) {
      begin = std::min<uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
      end = std::max<uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
    }
  }
  if (own < begin || own >= end) {
    return 0;
  }
  image = {begin, end};
  return 1;
}

uint32_t offset_of(const void *site) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - image.begin);
}

const void *site_at(uint32_t offset) { return reinterpret_cast<const void *>(image.begin + offset); }

const char *verb(Access access) { return access == Access::READ ? "reads" : "writes"; }

/* What lies at an address, in words. */
void describe(uintptr_t address, char *text, size_t bytes) {
  const uintptr_t shared = address - reinterpret_cast<uintptr_t>(block->shared);
  if (shared < sizeof block->shared) {
    const Declared *nearest = &block->declared[0];
    for (const Declared &each : block->declared) {
      if (each.begin <= shared && each.begin >= nearest->begin) {
        nearest = &each;
      }
    }
    const char *name = nearest->array == nullptr ? "dynamic shared memory" : nearest->array->name;
    snprintf(text, bytes, "byte %zu of the %zu of %s%s%s", shared - nearest->begin, nearest->bytes,
             nearest->array == nullptr ? "" : "shared array '", name, nearest->array == nullptr ? "" : "'");
    return;
  }
  const weir_memory *memory = launch.given->memory;
  const weir_range *nearest = nullptr;
  uint64_t least = UINT64_MAX;
  for (uint64_t i = 0; memory != nullptr && i < memory->count; i++) {
    const weir_range &range = memory->ranges[i];
    const uint64_t distance = address < range.begin ? range.begin - address : address < range.end ? 0 : address - range.end;
    if (distance < least) {
      least = distance;
      nearest = &range;
    }
  }
  if (nearest == nullptr) {
    snprintf(text, bytes, "address %#zx", static_cast<size_t>(address));
  } else {
    snprintf(text, bytes, "byte %td of the %zu of device memory '%s' (address %#zx)",
             static_cast<ptrdiff_t>(address - nearest->begin), static_cast<size_t>(nearest->end - nearest->begin),
             nearest->what, static_cast<size_t>(address));
  }
}

[[noreturn]] void report(Thread &thread, const void *site, Access access, uintptr_t address, size_t bytes,
                         const char *why) {
  char where[512];
  describe(address, where, sizeof where);
  current = &thread;
  fail(site, "%s %zu bytes at %s%s", verb(access), bytes, where, why);
}

[[noreturn]] void race(Thread &thread, const void *site, Access access, uintptr_t address, size_t bytes,
                       const char *did, uint32_t block_then, uint16_t who, uint32_t site_then) {
  char line[256], by[96], why[768];
  describe_site(site_at(site_then), line, sizeof line);
  if (block_then != block->serial) {
    const std::array<uint32_t, 3> &other = indices[block_then - launch_serial];
    snprintf(by, sizeof by, "block (%u, %u, %u), thread %d", other[0], other[1], other[2], who & THREAD_MASK);
    snprintf(why, sizeof why,
             ", which %s %s at %s: nothing orders the two blocks (fence_device, atomic operation, and there atomic "
             "operation, fence_device)",
             by, did, line);
  } else {
    snprintf(why, sizeof why, ", which thread %d %s at %s, with no barrier between", who & THREAD_MASK, did, line);
  }
  report(thread, site, access, address, bytes, why);
}

/* Whether this block's access by `who` at `then` is ordered before what the thread does now. */
inline bool ordered_in_block(uint32_t then, int who, const Thread &thread) {
  return then < block->barrier_tick || (who / WARP == thread.warp->index && then < thread.warp->tick);
}

void check_recent_write(const Cell &cell, Thread &thread, const void *site, Access access, uintptr_t address,
                        size_t bytes, bool whole_warp) {
  const uint32_t then = cell.write_tick;
  const int who = cell.writer & THREAD_MASK;
  if ((cell.writer & IN_FLIGHT) != 0) {
    char line[256], why[512];
    describe_site(site_at(cell.write_site), line, sizeof line);
    snprintf(why, sizeof why, ", where a cp_async of thread %d (%s) is in flight: nothing has waited for it", who, line);
    report(thread, site, access, address, bytes, why);
  }
  if (access == Access::ATOMIC_WRITE && (cell.writer & ATOMIC) != 0) {
    return;
  }
  const bool ordered = cell.write_block != block->serial
                           ? order.ordered(cell.write_block, then, who, thread)
                           : ordered_in_block(then, who, thread) ||
                                 (who == thread.index && !whole_warp && (cell.writer & MANY_ATOMIC) == 0);
  if (!ordered) {
    race(thread, site, access, address, bytes, "wrote", cell.write_block, cell.writer, cell.write_site);
  }
}

inline void check_write_before(const Cell &cell, Thread &thread, const void *site, Access access, uintptr_t address,
                               size_t bytes, bool whole_warp) {
  const uint32_t then = cell.write_tick;
  const bool before_launch = then < launch_first;
  const bool before_barrier =
      cell.write_block == block->serial && then < block->barrier_tick && (cell.writer & IN_FLIGHT) == 0;
  if (!before_launch && !before_barrier) {
    check_recent_write(cell, thread, site, access, address, bytes, whole_warp);
  }
}

inline void check_reads_before(Cell &cell, Thread &thread, const void *site, Access access, uintptr_t address,
                               size_t bytes) {
  const uint32_t then = cell.read_tick;
  if (then < launch_first) {
    return;
  }
  const int who = cell.reader & THREAD_MASK;
  if (cell.read_block != block->serial || (cell.reader & MANY_BLOCKS) != 0) {
    if (!order.took_up(thread)) {
      // Of several blocks that have read, one is named: the current one too, where it was the last.
      race(thread, site, access, address, bytes, "read", cell.read_block, cell.reader, cell.read_site);
    }
    if (cell.read_block != block->serial) {
      return;
    }
  }
  if (then < block->barrier_tick) {
    return;
  }
  const bool same_thread = who == thread.index && (cell.reader & MANY_LANES) == 0;
  if ((cell.reader & MANY_WARPS) != 0 || (!ordered_in_block(then, who, thread) && !same_thread)) {
    race(thread, site, access, address, bytes, "read", cell.read_block, cell.reader, cell.read_site);
  }
}

inline void note_read(Cell &cell, const Thread &thread, uint32_t site, bool whole_warp) {
  const uint32_t now = thread.warp->tick;
  const uint16_t self = static_cast<uint16_t>(thread.index | (whole_warp ? MANY_LANES : 0));
  uint16_t reader = self;
  if (cell.read_tick >= launch_first) {
    const uint16_t other = cell.reader;
    const int who = other & THREAD_MASK;
    if (cell.read_block != block->serial) {
      reader |= MANY_BLOCKS;
    } else {
      reader |= other & MANY_BLOCKS;
      if (cell.read_tick >= block->barrier_tick) {
        reader |= other & MANY_WARPS;
        if (who / WARP != thread.warp->index) {
          reader |= MANY_WARPS;
        } else if (cell.read_tick == now && (who != thread.index || (other & MANY_LANES) != 0)) {
          reader |= MANY_LANES;
        }
      }
    }
  }
  cell.reader = reader;
  cell.read_tick = now;
  cell.read_site = site;
  cell.read_block = block->serial;
}

inline void note_write(Cell &cell, const Thread &thread, uint32_t site, Access access) {
  uint16_t writer = static_cast<uint16_t>(thread.index);
  if (access == Access::ATOMIC_WRITE) {
    writer |= ATOMIC;
    const int who = cell.writer & THREAD_MASK;
    if ((cell.writer & ATOMIC) != 0 && cell.write_tick >= launch_first && cell.write_block == block->serial &&
        !ordered_in_block(cell.write_tick, who, thread) &&
        (who != thread.index || (cell.writer & MANY_ATOMIC) != 0)) {
      writer |= MANY_ATOMIC;
    }
  }
  cell.writer = writer;
  cell.write_tick = thread.warp->tick;
  cell.write_site = site;
  cell.write_block = block->serial;
  cell.read_tick = 0;
}

void shared_access(Thread &thread, uintptr_t offset, size_t bytes, Access access, const void *site, bool whole_warp) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block->shared) + offset;
  const auto inside = [&](const Declared &each) {
    return offset >= each.begin && offset + bytes <= each.begin + each.bytes;
  };
  if (block->recent == nullptr || !inside(*block->recent)) {
    block->recent = nullptr;
    for (const Declared &each : block->declared) {
      if (inside(each)) {
        block->recent = &each;
        break;
      }
    }
    if (block->recent == nullptr) {
      report(thread, site, access, address, bytes, ", out of its bounds");
    }
  }
  const uint32_t site_offset = offset_of(site);
  Cell *const cells = shared_cells[block->slot];
  Cell *const end = cells + (offset + bytes - 1) / CELL_BYTES + 1;
  for (Cell *cell = cells + offset / CELL_BYTES; cell != end; cell++) {
    if (cell->write_tick >= block->first_tick) {
      check_write_before(*cell, thread, site, access, address, bytes, whole_warp);
    } else if (access != Access::WRITE) {
      report(thread, site, Access::READ, address, bytes, ", which nobody has written in this block");
    }
    if (access == Access::READ) {
      note_read(*cell, thread, site_offset, whole_warp);
    } else {
      if (cell->read_tick >= block->first_tick) {
        check_reads_before(*cell, thread, site, access, address, bytes);
      }
      note_write(*cell, thread, site_offset, access);
    }
  }
}

const weir_range *range_of(uintptr_t address, size_t bytes) {
  const weir_range *&recent = recent_ranges[(address >> 12) % RECENT_RANGES];
  if (recent != nullptr && address >= recent->begin && address + bytes <= recent->end) {
    return recent;
  }
  const weir_memory &memory = *launch.given->memory;
  uint64_t low = 0, high = memory.count; // the ranges before `low` begin at or below the address
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (memory.ranges[middle].begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0 || address + bytes > memory.ranges[low - 1].end) {
    return nullptr;
  }
  recent = &memory.ranges[low - 1];
  return recent;
}

bool all_written(const weir_range &range, uintptr_t address, size_t bytes) {
  const uintptr_t first = address - range.begin;
  for (uintptr_t i = first; i < first + bytes; i++) {
    if (i % 8 == 0 && i + 8 <= first + bytes) {
      if (range.written[i / 8] != 0xFF) {
        return false;
      }
      i += 7;
    } else if ((range.written[i / 8] >> i % 8 & 1) == 0) {
      return false;
    }
  }
  return true;
}

void set_written(const weir_range &range, uintptr_t address, size_t bytes) {
  const uintptr_t first = address - range.begin;
  for (uintptr_t i = first; i < first + bytes; i++) {
    if (i % 8 == 0 && i + 8 <= first + bytes) {
      range.written[i / 8] = 0xFF;
      i += 7;
    } else {
      range.written[i / 8] |= static_cast<uint8_t>(1 << i % 8);
    }
  }
}

void device_access(Thread &thread, uintptr_t address, size_t bytes, Access access, const void *site) {
  const uintptr_t arguments = reinterpret_cast<uintptr_t>(launch.arguments);
  if (address - arguments < launch.given->kernel->argument_bytes) {
    if (access != Access::READ) {
      current = &thread;
      fail(site, "writes its arguments");
    }
    return;
  }
  if (address - image.begin < image.end - image.begin) { // constants
    if (access != Access::READ) {
      current = &thread;
      fail(site, "writes a variable that is neither local, nor in shared memory, nor in device memory");
    }
    return;
  }
  if (launch.given->memory != nullptr) {
    const weir_range *range = range_of(address, bytes);
    if (range == nullptr) {
      report(thread, site, access, address, bytes, ", out of its bounds");
    }
    if (range->written != nullptr) {
      if (access != Access::WRITE && !all_written(*range, address, bytes)) {
        report(thread, site, access, address, bytes, ", which nobody has written");
      }
      if (access != Access::READ) {
        set_written(*range, address, bytes);
      }
    }
  }
  const uint32_t site_offset = offset_of(site);
  const uintptr_t last = address + bytes - 1;
  for (uintptr_t at = address / CELL_BYTES * CELL_BYTES; at <= last;) {
    Cell *cell = device.cells(at);
    const uintptr_t chunk_end = (at / DeviceShadow::CHUNK_BYTES + 1) * DeviceShadow::CHUNK_BYTES;
    for (; at <= last && at < chunk_end; at += CELL_BYTES, cell++) {
      check_write_before(*cell, thread, site, access, address, bytes, false);
      if (access == Access::READ) {
        note_read(*cell, thread, site_offset, false);
      } else {
        check_reads_before(*cell, thread, site, access, address, bytes);
        note_write(*cell, thread, site_offset, access);
      }
    }
  }
}

inline void watch(uintptr_t address, size_t bytes, Access access, const void *site) {
  if (current == nullptr) {
    return; // no launch: the library's own start
  }
  const uintptr_t shared = address - reinterpret_cast<uintptr_t>(block->shared);
  if (shared < sizeof block->shared) {
    shared_access(*current, shared, bytes, access, site, false);
  } else if (!block->stacks.holds(address)) {
    device_access(*current, address, bytes, access, site);
  }
}

} // namespace

void launch_begins() {
  if (image.end == 0) {
    dl_iterate_phdr(find_image, nullptr);
  }
  if (tick > TICKS_ENOUGH) {
    device.clear();
    memset(shared_cells, 0, sizeof shared_cells);
    tick = 1;
  }
  device.trim();
  for (const weir_range *&range : recent_ranges) {
    range = nullptr;
  }
  launch_first = ++tick;
  launch_serial = serial + 1;
  indices.clear();
  order.launch_begins();
}

namespace {

void barrier(Block &of) {
  of.barrier_tick = ++tick;
  for (uint32_t i = 0; i < launch.warps; i++) {
    of.warps[i].tick = tick;
  }
}

} // namespace

void block_begins(Block &fresh) {
  fresh.serial = ++serial;
  fresh.first_tick = ++tick;
  barrier(fresh);
  indices.push_back({fresh.index[0], fresh.index[1], fresh.index[2]});
  order.block_begins(fresh);
}

void block_barrier() { barrier(*block); }

void warp_barrier(Warp &warp) { warp.tick = ++tick; }

void stream_read(const void *address, const void *site) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(address);
  for (uintptr_t at = first; at < first + sizeof(Words4); at += CELL_BYTES) {
    const Cell &cell = *device.cells(at);
    if (cell.write_tick >= launch_first) {
      race(*current, site, Access::READ, first, sizeof(Words4), "wrote in this launch (a stream read bypasses caches that are kept coherent)",
           cell.write_block, cell.writer, cell.write_site);
    }
  }
}

void matrix_row_read(const Thread &thread) {
  const uintptr_t shared = reinterpret_cast<uintptr_t>(thread.row) - reinterpret_cast<uintptr_t>(block->shared);
  shared_access(const_cast<Thread &>(thread), shared, sizeof(Words4), Access::READ, thread.site, true);
}

void atomic(const void *address, size_t bytes, const void *site) {
  watch(reinterpret_cast<uintptr_t>(address), bytes, Access::ATOMIC_WRITE, site);
  order.atomic(reinterpret_cast<uintptr_t>(address));
}

void fence() { order.fence(tick); }

void copy_issued(const Copy &copy) {
  if (copy.valid) {
    watch(reinterpret_cast<uintptr_t>(copy.from), sizeof(Words4), Access::READ, copy.site);
  }
  const uintptr_t to = reinterpret_cast<uintptr_t>(copy.to) - reinterpret_cast<uintptr_t>(block->shared);
  shared_access(*current, to, sizeof(Words4), Access::WRITE, copy.site, false);
  for (size_t i = 0; i < sizeof(Words4) / CELL_BYTES; i++) {
    shared_cells[block->slot][to / CELL_BYTES + i].writer |= IN_FLIGHT;
  }
}

void copy_waited_for(const Copy &copy) {
  const uintptr_t to = reinterpret_cast<uintptr_t>(copy.to) - reinterpret_cast<uintptr_t>(block->shared);
  for (size_t i = 0; i < sizeof(Words4) / CELL_BYTES; i++) {
    Cell &cell = shared_cells[block->slot][to / CELL_BYTES + i];
    cell.writer = static_cast<uint16_t>(current->index);
    cell.write_tick = current->warp->tick;
  }
}

/* A load or store of a kernel that the compiler takes to be aligned. */
inline void aligned(const void *address, size_t bytes, Access access, const void *site) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  if (at % bytes != 0) {
    fail(site, "%s %zu bytes at %p, which is not a multiple of %zu", verb(access), bytes, address, bytes);
  }
  watch(at, bytes, access, site);
}

inline void anywhere(const void *address, size_t bytes, Access access, const void *site) {
  watch(reinterpret_cast<uintptr_t>(address), bytes, access, site);
}

} // namespace weir::emulator::checks

#define WEIR_HOOKS(bytes)                                                                                          \
  void __tsan_read##bytes(void *address) {                                                                         \
    aligned(address, bytes, Access::READ, __builtin_return_address(0));                                            \
  }                                                                                                                \
  void __tsan_write##bytes(void *address) {                                                                        \
    aligned(address, bytes, Access::WRITE, __builtin_return_address(0));                                           \
  }                                                                                                                \
  void __tsan_unaligned_read##bytes(void *address) {                                                               \
    anywhere(address, bytes, Access::READ, __builtin_return_address(0));                                           \
  }                                                                                                                \
  void __tsan_unaligned_write##bytes(void *address) {                                                              \
    anywhere(address, bytes, Access::WRITE, __builtin_return_address(0));                                          \
  }

extern "C" {
using namespace weir::emulator::checks;

WEIR_HOOKS(1)
WEIR_HOOKS(2)
WEIR_HOOKS(4)
WEIR_HOOKS(8)
WEIR_HOOKS(16)

void __tsan_read_range(void *address, unsigned long bytes) {
  if (bytes != 0) {
    anywhere(address, bytes, Access::READ, __builtin_return_address(0));
  }
}

void __tsan_write_range(void *address, unsigned long bytes) {
  if (bytes != 0) {
    anywhere(address, bytes, Access::WRITE, __builtin_return_address(0));
  }
}

void __tsan_init() {}
}

#endif
