// Virtual memory management: addresses, physical memory, and mapping one to the other.
#include "driver.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace weir::emulator {

constexpr uint64_t GRANULARITY = 2u << 20;

struct Physical {
  int device;
  uint64_t bytes;
  int file;
  std::shared_ptr<Bitmap> written;

  ~Physical() {
    close(file);
    world().used[device] -= bytes;
  }
};

namespace {

int device_at(const CUmemLocation &location) {
  if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    refuse(CUDA_ERROR_NOT_SUPPORTED);
  }
  return device_of(location.id);
}

void require_granular(uint64_t bytes) {
  if (bytes == 0 || bytes % GRANULARITY != 0) {
    misuse(CUDA_ERROR_INVALID_VALUE, "a size that is no multiple of the granularity");
  }
}

// The reservation that holds the range; a range of anything else is a mistake.
void require_reserved(uint64_t begin, uint64_t bytes) {
  auto after = world().reserved.upper_bound(begin);
  bool inside = after != world().reserved.begin() && begin + bytes <= std::prev(after)->first + std::prev(after)->second;
  if (!inside) {
    misuse(CUDA_ERROR_INVALID_VALUE, "addresses that are not reserved");
  }
}

std::vector<Region *> mapped_in(uint64_t begin, uint64_t bytes) {
  std::vector<Region *> found;
  for (auto region = world().regions.lower_bound(begin);
       region != world().regions.end() && region->second.end <= begin + bytes; ++region) {
    if (region->second.place == Place::MAPPED) {
      found.push_back(&region->second);
    }
  }
  return found;
}

int poisoned_file(uint64_t bytes) {
  int file = memfd_create("weir-physical", MFD_CLOEXEC);
  std::vector<char> poison(GRANULARITY, static_cast<char>(0xFF));
  for (uint64_t offset = 0; file >= 0 && offset < bytes; offset += GRANULARITY) {
    if (pwrite(file, poison.data(), GRANULARITY, static_cast<off_t>(offset)) != static_cast<ssize_t>(GRANULARITY)) {
      close(file);
      file = -1;
    }
  }
  if (file < 0) {
    throw std::bad_alloc();
  }
  return file;
}

} // namespace
} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *properties,
                                               CUmemAllocationGranularity_flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    require(properties, "the allocation's properties");
    device_at(properties->location);
    *granularity = GRANULARITY;
  });
}

CUresult CUDAAPI cuMemAddressReserve(CUdeviceptr *pointer, size_t bytes, size_t alignment, CUdeviceptr,
                                     unsigned long long flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    require_granular(bytes);
    if (flags != 0 || alignment > GRANULARITY) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    void *all = mmap(nullptr, bytes + GRANULARITY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
      refuse(CUDA_ERROR_OUT_OF_MEMORY);
    }
    *pointer = (reinterpret_cast<uint64_t>(all) + GRANULARITY - 1) / GRANULARITY * GRANULARITY;
    world().reserved[*pointer] = bytes;
  });
}

CUresult CUDAAPI cuMemAddressFree(CUdeviceptr pointer, size_t bytes) {
  return call(__func__, Needs::INITIALISED, [&] {
    auto found = world().reserved.find(pointer);
    if (found == world().reserved.end() || found->second != bytes || !mapped_in(pointer, bytes).empty()) {
      misuse(CUDA_ERROR_INVALID_VALUE, "no reservation of that size, or memory is still mapped there");
    }
    world().reserved.erase(found); // the addresses stay taken: whoever uses them later is caught
  });
}

CUresult CUDAAPI cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes, const CUmemAllocationProp *properties,
                             unsigned long long flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    require(properties, "the allocation's properties");
    require_granular(bytes);
    int device = device_at(properties->location);
    if (flags != 0 || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE) {
      refuse(CUDA_ERROR_NOT_SUPPORTED);
    }
    if (world().used[device] + bytes > world().configuration.memory) {
      refuse(CUDA_ERROR_OUT_OF_MEMORY);
    }
    auto written = std::make_shared<Bitmap>(bytes);
    auto physical = std::shared_ptr<Physical>(new Physical{device, bytes, poisoned_file(bytes), written});
    world().used[device] += bytes;
    *handle = world().physicals.add(world().new_handle(), physical);
  });
}

// What is mapped stays mapped.
CUresult CUDAAPI cuMemRelease(CUmemGenericAllocationHandle handle) {
  return call(__func__, Needs::INITIALISED, [&] {
    world().physicals.at(handle);
    world().physicals.remove(handle);
  });
}

CUresult CUDAAPI cuMemMap(CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                          unsigned long long flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    Physical &physical = world().physicals.at(handle);
    require_granular(bytes);
    require_reserved(pointer, bytes);
    if (offset != 0 || flags != 0 || bytes != physical.bytes) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    auto next = world().regions.lower_bound(pointer);
    if (region_of(pointer, 0) != nullptr || (next != world().regions.end() && next->first < pointer + bytes)) {
      misuse(CUDA_ERROR_INVALID_VALUE, "something is mapped there: " + describe(pointer, bytes));
    }
    void *mapped = mmap(reinterpret_cast<void *>(pointer), bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                        physical.file, 0);
    if (mapped == MAP_FAILED) {
      refuse(CUDA_ERROR_MAP_FAILED);
    }
    Region region{pointer, pointer + bytes, Place::MAPPED, physical.device,
                  "mapped device memory #" + std::to_string(world().next_number++), physical.written, 0, pointer, bytes,
                  0, false, {}, world().physicals.share(reinterpret_cast<const void *>(handle))};
    world().regions.emplace(pointer, std::move(region));
    world().memory_version++;
  });
}

CUresult CUDAAPI cuMemUnmap(CUdeviceptr pointer, size_t bytes) {
  return call(__func__, Needs::INITIALISED, [&] {
    std::vector<Region *> regions = mapped_in(pointer, bytes);
    uint64_t covered = 0;
    for (Region *region : regions) {
      covered += region->end - region->begin;
    }
    if (covered != bytes) {
      misuse(CUDA_ERROR_INVALID_VALUE, "a range that is not made of whole mappings");
    }
    for (Region *region : regions) {
      release(*region);
    }
  });
}

CUresult CUDAAPI cuMemSetAccess(CUdeviceptr pointer, size_t bytes, const CUmemAccessDesc *access, size_t count) {
  return call(__func__, Needs::INITIALISED, [&] {
    require(access, "the access");
    std::vector<Region *> regions = mapped_in(pointer, bytes);
    if (regions.empty()) {
      misuse(CUDA_ERROR_INVALID_VALUE, "nothing is mapped there");
    }
    for (size_t index = 0; index < count; index++) {
      int device = device_at(access[index].location);
      for (Region *region : regions) {
        if (access[index].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
          region->reachable.insert(device);
        } else if (access[index].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE) {
          region->reachable.erase(device);
        } else {
          refuse(CUDA_ERROR_NOT_SUPPORTED); // writes to memory that may only be read would not be seen
        }
      }
    }
    world().memory_version++;
  });
}
