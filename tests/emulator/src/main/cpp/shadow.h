// What is remembered of each two bytes of memory: who last wrote them and who has read them since, and when. Time is
// counted in ticks: every barrier of a block or a warp, and every start of a block or a launch, is one.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unordered_map>

namespace weir::emulator {

constexpr size_t CELL_BYTES = 2; // the smallest thing that kernels share; two single bytes of one cell count as one

constexpr uint16_t THREAD_MASK = 0x3FF;
// Of a writer:
constexpr uint16_t ATOMIC = 0x400;       // by an atomic operation
constexpr uint16_t MANY_ATOMIC = 0x800;  // by atomic operations of several threads that no barrier orders
constexpr uint16_t IN_FLIGHT = 0x1000;   // a cp.async not yet waited for
// Of a reader:
constexpr uint16_t MANY_LANES = 0x400;   // also other lanes of the warp, since its last barrier
constexpr uint16_t MANY_WARPS = 0x800;   // also other warps, since the block's last barrier
constexpr uint16_t MANY_BLOCKS = 0x1000; // also other blocks of the launch

struct Cell {
  uint32_t write_tick, read_tick; // 0: never; a warp's tick at the access
  uint32_t write_site, read_site; // offsets in the library
  uint32_t write_block, read_block; // serial numbers
  uint16_t writer, reader;
};

/* Cells for as much of device memory as was touched lately. */
class DeviceShadow {
public:
  Cell *cells(uintptr_t address) {
    const uintptr_t chunk = address / CHUNK_BYTES;
    Recent &slot = recent[chunk % RECENT];
    if (slot.chunk != chunk) {
      Cell *&found = chunks[chunk];
      if (found == nullptr) {
        found = static_cast<Cell *>(calloc(CHUNK_BYTES / CELL_BYTES, sizeof(Cell)));
        if (found == nullptr) {
          abort(); // the host is out of memory: nothing to go on with
        }
      }
      slot = {chunk, found};
    }
    return slot.cells + address % CHUNK_BYTES / CELL_BYTES;
  }

  /* Forgets all, once it has become large. Only between two launches. */
  void trim() {
    if (chunks.size() > MAX_CHUNKS) {
      clear();
    }
  }

  void clear() {
    for (auto &[chunk, cells] : chunks) {
      free(cells);
    }
    chunks.clear();
    for (Recent &slot : recent) {
      slot = {};
    }
  }

  static constexpr size_t CHUNK_BYTES = 16 * 1024; // a multiple of every access's alignment

private:
  static constexpr size_t MAX_CHUNKS = 2048; // 448 MiB of cells, for 32 MiB of memory
  static constexpr size_t RECENT = 256;
  struct Recent {
    uintptr_t chunk = UINTPTR_MAX;
    Cell *cells = nullptr;
  };
  std::unordered_map<uintptr_t, Cell *> chunks;
  Recent recent[RECENT];
};

} // namespace weir::emulator
