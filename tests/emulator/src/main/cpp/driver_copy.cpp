// Copies and fills.
#include "driver.h"

#include <sys/mman.h>

#include <cstring>

namespace weir::emulator {

namespace {

constexpr double COPIED_BYTES_PER_MICROSECOND = 50e3;
constexpr uint64_t PAGE = 4096;
constexpr uint64_t LARGE_FILL = 1u << 20; // from here on it is worth new pages

bool on_host_operand(uint64_t address, uint64_t bytes) {
  const Region *region = region_of(address, bytes);
  return region != nullptr && on_host(*region);
}

// The region of a device operand as a call names it.
Region &operand(const char *which, uint64_t address, uint64_t bytes, int device) {
  Region *region = region_of(address, bytes);
  if (region == nullptr || on_host(*region)) {
    misuse(CUDA_ERROR_INVALID_VALUE, std::string("the ") + which +
                                         " is not in device memory: " + describe(address, bytes));
  }
  if (!reaches(device, *region)) {
    misuse(CUDA_ERROR_INVALID_VALUE, std::string("the ") + which + " is memory of another device, " +
                                         "without peer access to it: " + describe(address, bytes));
  }
  return *region;
}

uint64_t address_of(const void *pointer) { return reinterpret_cast<uint64_t>(pointer); }

// Host memory that a copy will write is undefined from the call on; unless work before it still reads it.
void poison_target(uint64_t target, uint64_t bytes) {
  for (auto &[number, work] : world().pending) {
    if (work->source < target + bytes && target < work->source + work->source_bytes) {
      return;
    }
  }
  memset(reinterpret_cast<void *>(target), 0xFF, bytes);
}

void check_still_there(const char *which, uint64_t address, uint64_t bytes) {
  if (region_of(address, bytes) == nullptr) {
    throw Fault{CUDA_ERROR_ILLEGAL_ADDRESS, std::string("the ") + which + " was freed before the copy ran: " +
                                                describe(address, bytes)};
  }
}

void execute_copy(const CopyOperation &copy) {
  inject_into("copy");
  world().clock += static_cast<double>(copy.bytes) / COPIED_BYTES_PER_MICROSECOND;
  const void *source = copy.staged.empty() ? reinterpret_cast<const void *>(copy.source) : copy.staged.data();
  if (copy.staged.empty() && (!copy.source_on_host || on_host_operand(copy.source, copy.bytes))) {
    check_still_there("source", copy.source, copy.bytes);
  }
  if (!copy.target_on_host) {
    check_still_there("target", copy.target, copy.bytes);
  }
  memmove(reinterpret_cast<void *>(copy.target), source, copy.bytes);
  Region *to = copy.target_on_host ? nullptr : region_of(copy.target, copy.bytes);
  Region *from = copy.source_on_host ? nullptr : region_of(copy.source, copy.bytes);
  if (to == nullptr || to->written == nullptr) {
    return;
  }
  if (from != nullptr && from->written != nullptr && from != to) {
    to->written->copy(copy.target - to->begin, *from->written, copy.source - from->begin, copy.bytes);
  } else {
    to->written->set(copy.target - to->begin, copy.bytes);
  }
}

// Zeroes pages by taking fresh ones, which cost memory only once they are written: a cache of gigabytes is zeroed whole.
void zero_pages(uint64_t begin, uint64_t end) {
  void *fresh = mmap(reinterpret_cast<void *>(begin), end - begin, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (fresh == MAP_FAILED) {
    throw std::bad_alloc();
  }
}

void fill_bytes(const Region &region, uint64_t target, uint64_t bytes, int value) {
  uint64_t first = (target + PAGE - 1) / PAGE * PAGE, last = (target + bytes) / PAGE * PAGE;
  bool by_pages = value == 0 && region.place == Place::DEVICE && last >= first + LARGE_FILL;
  if (by_pages) {
    memset(reinterpret_cast<void *>(target), 0, first - target);
    zero_pages(first, last);
    memset(reinterpret_cast<void *>(last), 0, target + bytes - last);
  } else {
    memset(reinterpret_cast<void *>(target), value, bytes);
  }
}

void execute_fill(const FillOperation &fill) {
  uint64_t bytes = fill.count * fill.width;
  check_still_there("target", fill.target, bytes);
  Region &region = *region_of(fill.target, bytes);
  if (fill.width == 1 || fill.value == 0) {
    fill_bytes(region, fill.target, bytes, static_cast<int>(fill.value));
  } else {
    uint32_t *words = reinterpret_cast<uint32_t *>(fill.target);
    for (uint64_t index = 0; index < fill.count; index++) {
      words[index] = fill.value;
    }
  }
  if (region.written != nullptr && bytes == region.end - region.begin) {
    region.written = nullptr; // all of it
    world().memory_version++;
  } else if (region.written != nullptr) {
    region.written->set(fill.target - region.begin, bytes);
  }
}

void execute(const Operation &operation) {
  if (auto *kernel = std::get_if<KernelOperation>(&operation)) {
    execute_kernel(*kernel);
  } else if (auto *copy = std::get_if<CopyOperation>(&operation)) {
    execute_copy(*copy);
  } else if (auto *fill = std::get_if<FillOperation>(&operation)) {
    execute_fill(*fill);
  }
}

} // namespace

std::string describe(const Operation &operation) {
  if (auto *kernel = std::get_if<KernelOperation>(&operation)) {
    return "kernel " + kernel->kernel->name;
  }
  if (auto *copy = std::get_if<CopyOperation>(&operation)) {
    return "copy of " + std::to_string(copy->bytes) + " bytes";
  }
  return std::holds_alternative<FillOperation>(operation) ? "fill" : "empty node";
}

WorkRef enqueue_operation(Context &context, const std::shared_ptr<const Operation> &operation,
                          const std::vector<WorkRef> &after) {
  auto *copy = std::get_if<CopyOperation>(operation.get());
  if (copy != nullptr && copy->target_on_host && region_of(copy->target, copy->bytes) != nullptr) {
    poison_target(copy->target, copy->bytes);
  }
  WorkRef work = enqueue_after(context, describe(*operation), [operation] { execute(*operation); }, after);
  if (copy != nullptr) {
    work->slow = world().configuration.slow_copies;
    if (copy->source_on_host && copy->staged.empty()) {
      work->source = copy->source;
      work->source_bytes = copy->bytes;
    }
  }
  if (auto *kernel = std::get_if<KernelOperation>(operation.get())) {
    work->module = kernel->kernel->module;
  }
  return work;
}

void submit(Stream &stream, Operation operation) {
  if (stream.capture != nullptr) {
    record_into_capture(stream, std::move(operation));
    return;
  }
  auto shared = std::make_shared<const Operation>(std::move(operation));
  stream.last = enqueue_operation(*stream.context, shared, predecessors(stream));
  settle();
}

} // namespace weir::emulator

using namespace weir::emulator;

namespace {

void host_to_device(Context &context, CUdeviceptr target, const void *source, size_t bytes,
                    Stream &stream) {
  if (bytes == 0) {
    return;
  }
  require(source, "the copy's source");
  operand("target", target, bytes, context.device);
  CopyOperation copy{target, address_of(source), bytes, false, true, {}};
  if (!on_host_operand(copy.source, bytes)) {
    if (stream.capture != nullptr) {
      stream.capture->invalid = true;
      misuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a copy from memory that is not pinned, in a capture");
    }
    const uint8_t *first = static_cast<const uint8_t *>(source);
    copy.staged.assign(first, first + bytes); // as the driver does: the source may change after the call
  }
  submit(stream, std::move(copy));
}

void device_to_host(Context &context, void *target, CUdeviceptr source, size_t bytes,
                    Stream &stream) {
  if (bytes == 0) {
    return;
  }
  require(target, "the copy's target");
  operand("source", source, bytes, context.device);
  bool pinned = on_host_operand(address_of(target), bytes);
  if (!pinned && stream.capture != nullptr) {
    stream.capture->invalid = true;
    misuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a copy to memory that is not pinned, in a capture");
  }
  submit(stream, CopyOperation{address_of(target), source, bytes, true, false, {}});
  if (!pinned) {
    run_until(stream.last); // such a copy returns when it is complete
  }
}

void fill(Context &context, CUdeviceptr target, uint32_t value, uint32_t width, size_t count,
          CUstream handle) {
  Stream &stream = stream_of(handle);
  if (count == 0) {
    return;
  }
  operand("target", target, count * width, context.device);
  if (target % width != 0) {
    misuse(CUDA_ERROR_INVALID_VALUE, "the target is not aligned");
  }
  submit(stream, FillOperation{target, count, value, width});
}

} // namespace

CUresult CUDAAPI cuMemcpyHtoD(CUdeviceptr target, const void *source, size_t bytes) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    Stream &stream = stream_of(nullptr);
    host_to_device(context, target, source, bytes, stream);
    run_until(stream.last);
  });
}

CUresult CUDAAPI cuMemcpyDtoH(void *target, CUdeviceptr source, size_t bytes) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    Stream &stream = stream_of(nullptr);
    device_to_host(context, target, source, bytes, stream);
    run_until(stream.last);
  });
}

CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr target, const void *source, size_t bytes, CUstream stream) {
  return in_context(
      __func__, [&](Context &context) { host_to_device(context, target, source, bytes, stream_of(stream)); });
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void *target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return in_context(
      __func__, [&](Context &context) { device_to_host(context, target, source, bytes, stream_of(stream)); });
}

CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream handle) {
  return in_context(__func__, [&](Context &context) {
    Stream &stream = stream_of(handle);
    if (bytes > 0) {
      operand("target", target, bytes, context.device);
      operand("source", source, bytes, context.device);
      submit(stream, CopyOperation{target, source, bytes, false, false, {}});
    }
  });
}

// Needs no peer access: the driver takes a detour where there is none.
CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr target, CUcontext target_context, CUdeviceptr source,
                                   CUcontext source_context, size_t bytes, CUstream handle) {
  return in_context(__func__, [&](Context &) {
    Stream &stream = stream_of(handle);
    int target_device = world().contexts.at(target_context).device;
    int source_device = world().contexts.at(source_context).device;
    if (bytes > 0) {
      operand("target", target, bytes, target_device);
      operand("source", source, bytes, source_device);
      submit(stream, CopyOperation{target, source, bytes, false, false, {}});
    }
  });
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, CUstream stream) {
  return in_context(__func__, [&](Context &context) { fill(context, target, value, 1, count, stream); });
}

CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, CUstream stream) {
  return in_context(__func__, [&](Context &context) { fill(context, target, value, 4, count, stream); });
}
