// Device memory and pinned host memory: where it comes from, and who may touch it.
//
// A device pointer is the address of host memory. Fresh memory holds the poison everywhere: bytes 0xFF, NaN in every
// floating-point type, -1 in every integer. Freed addresses are not used again.
#include "driver.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace weir::emulator {

namespace {

constexpr uint64_t PAGE = 4096;
constexpr uint64_t ALIGNMENT = 256;          // what cuMemAlloc promises, and here no more
constexpr uint64_t GRANULE = 512;            // bytes are taken from the capacity in these
constexpr uint64_t POISON_FILE = 16u << 20;  // mapped over and over, so that poison costs no memory
constexpr size_t MAX_FREED_REMEMBERED = 256; // for the wording of errors

uint64_t rounded(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

int poison_file() {
  static const int file = [] {
    int made = memfd_create("weir-poison", MFD_CLOEXEC);
    if (made < 0 || ftruncate(made, POISON_FILE) != 0) {
      throw std::bad_alloc();
    }
    void *all = mmap(nullptr, POISON_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
    if (all == MAP_FAILED) {
      throw std::bad_alloc();
    }
    memset(all, 0xFF, POISON_FILE);
    munmap(all, POISON_FILE);
    return made;
  }();
  return file;
}

// Poisoned pages with an unmapped one on either side, so that even an unchecked access there is seen.
uint64_t map_poisoned(uint64_t bytes) {
  void *all = mmap(nullptr, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) {
    throw std::bad_alloc();
  }
  char *first = static_cast<char *>(all) + PAGE;
  for (uint64_t offset = 0; offset < bytes; offset += POISON_FILE) {
    uint64_t count = std::min(POISON_FILE, bytes - offset);
    void *mapped = mmap(first + offset, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                        poison_file(), 0);
    if (mapped == MAP_FAILED) {
      munmap(all, bytes + 2 * PAGE);
      throw std::bad_alloc();
    }
  }
  return reinterpret_cast<uint64_t>(first);
}

const char *name_of(Place place) {
  switch (place) {
  case Place::DEVICE:
    return "device memory";
  case Place::PINNED:
    return "pinned host memory";
  case Place::REGISTERED:
    return "registered host memory";
  case Place::MAPPED:
    return "mapped device memory";
  }
  return "memory";
}

void free_region(uint64_t address, Place place) {
  auto found = world().regions.find(address);
  if (found == world().regions.end() || found->second.place != place) {
    misuse(CUDA_ERROR_INVALID_VALUE, std::string("no start of ") + name_of(place) + ": " +
                                         describe(address, 0));
  }
  release(found->second);
}

} // namespace

Bitmap::Bitmap(uint64_t bytes) : size_(rounded(bytes / 8 + 8, PAGE)) {
  void *mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    throw std::bad_alloc();
  }
  bits_ = static_cast<uint8_t *>(mapped);
}

Bitmap::~Bitmap() { munmap(bits_, size_); }

void Bitmap::set(uint64_t first, uint64_t count) {
  uint64_t last = first + count;
  while (first < last && first % 8 != 0) {
    bits_[first / 8] |= static_cast<uint8_t>(1u << first % 8);
    first++;
  }
  uint64_t whole = (last - first) / 8;
  memset(bits_ + first / 8, 0xFF, whole);
  for (first += whole * 8; first < last; first++) {
    bits_[first / 8] |= static_cast<uint8_t>(1u << first % 8);
  }
}

void Bitmap::copy(uint64_t first, const Bitmap &from, uint64_t from_first, uint64_t count) {
  uint64_t index = 0;
  if (first % 8 == 0 && from_first % 8 == 0) {
    memcpy(bits_ + first / 8, from.bits_ + from_first / 8, count / 8);
    index = count / 8 * 8;
  }
  for (; index < count; index++) {
    bool set = from.bits_[(from_first + index) / 8] >> (from_first + index) % 8 & 1;
    uint8_t bit = static_cast<uint8_t>(1u << (first + index) % 8);
    uint8_t &byte = bits_[(first + index) / 8];
    byte = static_cast<uint8_t>(set ? byte | bit : byte & ~bit);
  }
}

bool on_host(const Region &region) { return region.place == Place::PINNED || region.place == Place::REGISTERED; }

bool reaches(int device, const Region &region) {
  if (region.place == Place::MAPPED) {
    return region.reachable.count(device) > 0;
  }
  if (on_host(region) || region.device == device) {
    return true;
  }
  auto primary = world().primary.find(device);
  return primary != world().primary.end() && world().contexts.at(primary->second).peers.count(region.device) > 0;
}

Region *region_of(uint64_t address, uint64_t bytes) {
  auto after = world().regions.upper_bound(address);
  if (after == world().regions.begin()) {
    return nullptr;
  }
  Region &region = std::prev(after)->second;
  bool inside = address < region.end && bytes <= region.end - address;
  return inside ? &region : nullptr;
}

std::string describe(uint64_t address, uint64_t bytes) {
  char where[64];
  snprintf(where, sizeof where, "%#lx (%lu bytes)", address, bytes);
  auto after = world().regions.upper_bound(address);
  if (after != world().regions.begin()) {
    const Region &region = std::prev(after)->second;
    if (address < region.end) {
      char offset[96];
      snprintf(offset, sizeof offset, ", byte %lu of %lu of ", address - region.begin, region.end - region.begin);
      return where + std::string(offset) + region.what;
    }
  }
  auto &freed = world().freed;
  for (auto gone = freed.rbegin(); gone != freed.rend(); ++gone) {
    if (gone->first.first <= address && address < gone->first.second) {
      return where + std::string(", in freed ") + gone->second;
    }
  }
  return where + std::string(", in no allocation");
}

Region &allocate(uint64_t bytes, Place place, Context &context, const std::string &what) {
  World &here = world();
  bool device = place == Place::DEVICE;
  uint64_t counted = device ? rounded(bytes, GRANULE) : 0;
  if (device && (bytes > here.configuration.memory ||
                 here.used[context.device] + counted > here.configuration.memory)) {
    refuse(CUDA_ERROR_OUT_OF_MEMORY);
  }
  uint64_t offset = device ? ALIGNMENT : 0; // pinned memory starts on a page, as the driver's does
  uint64_t mapping_bytes = rounded(bytes + offset, PAGE);
  uint64_t mapping = map_poisoned(mapping_bytes);
  uint64_t begin = mapping + offset;
  here.used[context.device] += counted;
  here.memory_version++;
  Region region{begin, begin + bytes, place, context.device,
                what + " #" + std::to_string(here.next_number++), nullptr, counted, mapping, mapping_bytes,
                context.handle, false, {}, nullptr};
  if (device) {
    region.written = std::make_shared<Bitmap>(bytes);
  }
  return here.regions.emplace(begin, std::move(region)).first->second;
}

void release(Region &region) {
  World &here = world();
  if (region.mapping != 0) {
    // The addresses stay taken: whoever uses them later is caught. The memory goes.
    mmap(reinterpret_cast<void *>(region.mapping), region.mapping_bytes, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  }
  if (here.freed.size() == MAX_FREED_REMEMBERED) {
    here.freed.erase(here.freed.begin());
  }
  here.freed.push_back({{region.begin, region.end}, region.what});
  here.used[region.device] -= region.counted;
  here.memory_version++;
  here.regions.erase(region.begin);
}

const weir_memory *memory_of(int device) {
  struct View {
    uint64_t version = 0;
    std::vector<weir_range> ranges;
    weir_memory memory{};
  };
  static std::map<int, View> views;
  View &view = views[device];
  // Peers change the version as well as allocations do.
  if (view.version != world().memory_version) {
    view.version = world().memory_version;
    view.ranges.clear();
    for (auto &[begin, region] : world().regions) {
      if (reaches(device, region)) {
        view.ranges.push_back({begin, region.end, region.what.c_str(),
                               region.written ? region.written->bits() : nullptr});
      }
    }
    view.memory = {view.ranges.data(), view.ranges.size()};
  }
  return &view.memory;
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuMemGetInfo(size_t *available, size_t *total) {
  return in_context(__func__, [&](Context &context) {
    *total = world().configuration.memory;
    *available = *total - world().used[context.device];
  });
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *pointer, size_t bytes) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    require(pointer, "the pointer's place");
    if (bytes == 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    }
    *pointer = allocate(bytes, Place::DEVICE, context, "device memory").begin;
  });
}

CUresult CUDAAPI cuMemFree(CUdeviceptr pointer) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    if (pointer == 0) {
      return;
    }
    Region *region = region_of(pointer, 0);
    if (region != nullptr && region->context != context.handle) {
      misuse(CUDA_ERROR_INVALID_VALUE, "in another context than the allocation's: " + region->what);
    }
    free_region(pointer, Place::DEVICE);
  });
}

// Stream-ordered: the addresses are given at once; the memory may be touched in the order of the stream.
CUresult CUDAAPI cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, CUstream handle) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    stream_of(handle);
    if (bytes == 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    }
    Region &region = allocate(bytes, Place::DEVICE, context, "stream-ordered device memory");
    *pointer = region.begin;
  });
}

CUresult CUDAAPI cuMemFreeAsync(CUdeviceptr pointer, CUstream handle) {
  return in_context(__func__, [&](Context &) {
    forbid_in_capture();
    Stream &stream = stream_of(handle);
    auto found = world().regions.find(pointer);
    if (found == world().regions.end() || found->second.place != Place::DEVICE) {
      misuse(CUDA_ERROR_INVALID_VALUE, "no start of device memory: " + describe(pointer, 0));
    }
    enqueue(stream, "free of " + found->second.what, [pointer] {
      Region *region = region_of(pointer, 0);
      if (region != nullptr) {
        release(*region);
      }
    });
    settle();
  });
}

CUresult CUDAAPI cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    *pool = reinterpret_cast<CUmemoryPool>(uint64_t{0x900100000000} + static_cast<uint64_t>(device_of(device)));
  });
}

// The one attribute bound is a hint: how much freed memory the pool keeps. This pool keeps none.
CUresult CUDAAPI cuMemPoolSetAttribute(CUmemoryPool, CUmemPool_attribute attribute, void *value) {
  return call(__func__, Needs::INITIALISED, [&] {
    require(value, "the attribute's value");
    if (attribute != CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
      refuse(CUDA_ERROR_NOT_SUPPORTED);
    }
  });
}

CUresult CUDAAPI cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    unsigned known = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    if (bytes == 0 || (flags & ~known) != 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "0 bytes or with unknown flags");
    }
    *pointer = reinterpret_cast<void *>(allocate(bytes, Place::PINNED, context, "pinned host memory").begin);
  });
}

CUresult CUDAAPI cuMemFreeHost(void *pointer) {
  return in_context(__func__, [&](Context &) {
    forbid_in_capture();
    if (pointer != nullptr) {
      free_region(reinterpret_cast<uint64_t>(pointer), Place::PINNED);
    }
  });
}

CUresult CUDAAPI cuMemHostGetDevicePointer(CUdeviceptr *device, void *host, unsigned) {
  return in_context(__func__, [&](Context &) {
    Region *region = region_of(reinterpret_cast<uint64_t>(host), 0);
    if (region == nullptr || !on_host(*region)) {
      misuse(CUDA_ERROR_INVALID_VALUE, "memory that is not pinned");
    }
    *device = reinterpret_cast<uint64_t>(host);
  });
}

CUresult CUDAAPI cuMemHostRegister(void *pointer, size_t bytes, unsigned) {
  return in_context(__func__, [&](Context &context) {
    uint64_t begin = reinterpret_cast<uint64_t>(pointer);
    if (begin == 0 || bytes == 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "nothing");
    }
    auto next = world().regions.lower_bound(begin);
    bool overlaps = region_of(begin, 0) != nullptr || (next != world().regions.end() && next->first < begin + bytes);
    if (overlaps) {
      misuse(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "again: " + describe(begin, bytes));
    }
    std::string what = "registered host memory #" + std::to_string(world().next_number++);
    world().memory_version++;
    world().regions.emplace(begin, Region{begin, begin + bytes, Place::REGISTERED, context.device, what, nullptr, 0, 0,
                                          0, context.handle, false, {}, nullptr});
  });
}

CUresult CUDAAPI cuMemHostUnregister(void *pointer) {
  return in_context(__func__, [&](Context &) {
    auto found = world().regions.find(reinterpret_cast<uint64_t>(pointer));
    if (found == world().regions.end() || found->second.place != Place::REGISTERED) {
      misuse(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "memory that is not registered");
    }
    release(found->second);
  });
}
