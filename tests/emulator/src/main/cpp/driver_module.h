// Loaded images: CUmodule belongs to one context, CUlibrary to none.
#pragma once

#include "driver_image.h"

namespace weir::emulator {

struct Module {
  Image image;
  uint64_t context;                                         // 0: a library
  std::map<std::string, uint64_t> kernels;                  // by name: handles given out
  std::map<std::pair<uint64_t, std::string>, uint64_t> variables; // by context and name: device addresses
};

// The kernel that a CUfunction, or a CUkernel cast to one, means; usable in the current context.
std::shared_ptr<Kernel> kernel_of(CUfunction function);

// Bytes of dynamic shared memory that a launch may ask for.
int dynamic_limit(const Kernel &kernel, int device);

} // namespace weir::emulator
