// Devices, their attributes, primary contexts, peers.
#include "driver.h"

#include <algorithm>
#include <cstring>

namespace weir::emulator {

namespace {

constexpr int KIB = 1024;

// What differs between architectures, from NVIDIA's published figures of one device of each.
struct Model {
  int major, minor;
  const char *name;
  int multiprocessors, threads, blocks;                    // the last two per multiprocessor
  int shared_per_multiprocessor, shared_per_block;         // KiB
  int l2, clock_khz, memory_clock_khz, memory_bus_width;   // MiB, kHz, kHz, bits
};

constexpr Model MODELS[] = {
    {8, 0, "Emulated A100", 108, 2048, 32, 164, 163, 40, 1410000, 1593000, 5120},
    {8, 9, "Emulated L40S", 142, 1536, 24, 100, 99, 96, 2520000, 9001000, 384},
    {9, 0, "Emulated H100", 132, 2048, 32, 228, 227, 50, 1980000, 2619000, 5120},
    {10, 0, "Emulated B200", 148, 2048, 32, 228, 227, 126, 1965000, 3996000, 8192},
    {12, 0, "Emulated RTX 5090", 170, 1536, 24, 100, 99, 96, 2407000, 14001000, 512},
};

// The model of the configured capability; else that of its major version, else the H100.
const Model &model() {
  const Configuration &configuration = world().configuration;
  const Model *nearest = &MODELS[2];
  for (const Model &one : MODELS) {
    if (one.major == configuration.major && one.minor == configuration.minor) {
      return one;
    }
    if (one.major == configuration.major) {
      nearest = &one;
    }
  }
  return *nearest;
}

std::string counted(size_t count, const char *what) {
  return count == 0 ? "" : " " + std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// What still belongs to a context when it goes is leaked: reported, and freed.
void destroy(Context &context) {
  World &here = world();
  bool healthy = context.sticky == CUDA_SUCCESS;
  run_all_of(context);
  std::string leaks;
  auto sweep = [&](auto &table, const char *what, auto owner) {
    std::vector<uint64_t> owned;
    for (auto &[handle, entry] : table.all()) {
      if (owner(*entry) == &context) {
        owned.push_back(handle);
      }
    }
    for (uint64_t handle : owned) {
      table.remove(handle);
    }
    leaks += counted(owned.size(), what);
  };
  sweep(here.execs, "executable graph", [](GraphExec &exec) { return exec.context; });
  sweep(here.streams, "stream", [](Stream &stream) { return stream.context; });
  sweep(here.events, "event", [](Event &event) { return event.context; });
  std::vector<uint64_t> owned;
  for (auto &[begin, region] : here.regions) {
    if (region.context == context.handle) {
      owned.push_back(begin);
      leaks += region.internal ? "" : " " + region.what + " (" + std::to_string(region.end - begin) + " bytes)";
    }
  }
  for (uint64_t begin : owned) {
    release(here.regions.at(begin));
  }
  forget_context(context);
  // After a device error a program cannot free what it holds.
  if (!leaks.empty() && healthy) {
    report("leaked by device " + std::to_string(context.device) + ":" + leaks);
  }
  here.primary.erase(context.device);
  here.contexts.remove(context.handle);
}

} // namespace

int device_of(CUdevice device) {
  if (device < 0 || device >= world().configuration.devices) {
    refuse(CUDA_ERROR_INVALID_DEVICE);
  }
  return device;
}

int attribute_of(int, CUdevice_attribute attribute) {
  const Model &of = model();
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
    return 32;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    return of.multiprocessors;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    return world().configuration.major;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    return world().configuration.minor;
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
    return 1024;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
    return 64;
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
    return of.threads;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
    return of.blocks;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
    return INT32_MAX;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
    return 65535;
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
    return 65536;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
    return 48 * KIB;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
    return of.shared_per_block * KIB;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
    return of.shared_per_multiprocessor * KIB;
  case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK:
    return KIB;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
    return of.clock_khz;
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
    return of.memory_clock_khz;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    return of.memory_bus_width;
  case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
    return of.l2 * KIB * KIB;
  case CU_DEVICE_ATTRIBUTE_MAX_PERSISTING_L2_CACHE_SIZE:
    return of.l2 * KIB * KIB / 8 * 5;
  case CU_DEVICE_ATTRIBUTE_MAX_ACCESS_POLICY_WINDOW_SIZE:
    return 128 * KIB * KIB - 1;
  case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    return 3;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
    return CU_COMPUTEMODE_DEFAULT;
  case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
  case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
  case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
  case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
  case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
  case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
  case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
  case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    return 1;
  case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID:
  case CU_DEVICE_ATTRIBUTE_INTEGRATED:
  case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
  case CU_DEVICE_ATTRIBUTE_MPS_ENABLED:
  // Features of hardware that are not emulated.
  case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
  case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH:
  case CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED:
  case CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED:
    return 0;
  default:
    refuse(CUDA_ERROR_INVALID_VALUE);
  }
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuInit(unsigned flags) {
  return call(__func__, Needs::NOTHING, [&] {
    if (flags != 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    if (world().configuration.devices == 0) {
      refuse(CUDA_ERROR_NO_DEVICE);
    }
    world().initialised = true;
  });
}

CUresult CUDAAPI cuDriverGetVersion(int *version) {
  return call(__func__, Needs::NOTHING, [&] { *version = world().configuration.driver; });
}

CUresult CUDAAPI cuDeviceGetCount(int *count) {
  return call(__func__, Needs::INITIALISED, [&] { *count = world().configuration.devices; });
}

CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) {
  return call(__func__, Needs::INITIALISED, [&] { *device = device_of(ordinal); });
}

CUresult CUDAAPI cuDeviceGetName(char *name, int length, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    device_of(device);
    if (length <= 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    snprintf(name, static_cast<size_t>(length), "%s", model().name);
  });
}

CUresult CUDAAPI cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    memcpy(uuid->bytes, "weir-emulated-\0", sizeof uuid->bytes);
    uuid->bytes[sizeof uuid->bytes - 1] = static_cast<char>(device_of(device));
  });
}

CUresult CUDAAPI cuDeviceTotalMem(size_t *bytes, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    device_of(device);
    *bytes = world().configuration.memory;
  });
}

CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] { *value = attribute_of(device_of(device), attribute); });
}

CUresult CUDAAPI cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  return call(__func__, Needs::INITIALISED,
              [&] { *can = device_of(device) != device_of(peer) && world().configuration.peers; });
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *handle, CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    World &here = world();
    auto live = here.primary.find(device_of(device));
    if (live != here.primary.end()) {
      here.contexts.at(live->second).references++;
      *handle = reinterpret_cast<CUcontext>(live->second);
      return;
    }
    auto context = std::make_shared<Context>();
    context->handle = here.new_handle();
    context->device = device;
    context->legacy = Stream{0, context.get(), false, 0, nullptr, nullptr, {}};
    here.primary[device] = here.contexts.add(context->handle, context);
    *handle = reinterpret_cast<CUcontext>(context->handle);
  });
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device) {
  return call(__func__, Needs::INITIALISED, [&] {
    auto live = world().primary.find(device_of(device));
    if (live == world().primary.end()) {
      misuse(CUDA_ERROR_INVALID_CONTEXT, "the device has no primary context: released more often than retained");
    }
    Context &context = world().contexts.at(live->second);
    if (--context.references == 0) {
      destroy(context);
    }
  });
}

CUresult CUDAAPI cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    device_of(device);
    if ((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext handle) {
  return call(__func__, Needs::INITIALISED, [&] {
    if (handle != nullptr && world().contexts.find(reinterpret_cast<uint64_t>(handle)) == nullptr) {
      misuse(CUDA_ERROR_INVALID_CONTEXT, "not a live context");
    }
    set_current_context(reinterpret_cast<uint64_t>(handle));
  });
}

CUresult CUDAAPI cuCtxGetCurrent(CUcontext *handle) {
  return call(__func__, Needs::INITIALISED, [&] {
    Context *context = current_context();
    *handle = context == nullptr ? nullptr : reinterpret_cast<CUcontext>(context->handle);
  });
}

CUresult CUDAAPI cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  return in_context(__func__, [&](Context &context) {
    int device = world().contexts.at(peer).device;
    if (flags != 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    if (device == context.device || !world().configuration.peers) {
      refuse(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
    }
    if (!context.peers.insert(device).second) {
      refuse(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
    }
    world().memory_version++;
  });
}

CUresult CUDAAPI cuCtxDisablePeerAccess(CUcontext peer) {
  return in_context(__func__, [&](Context &context) {
    if (context.peers.erase(world().contexts.at(peer).device) == 0) {
      refuse(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
    }
    world().memory_version++;
  });
}
