// A launch as a call describes it.
#pragma once

#include "driver_module.h"

namespace weir::emulator {

struct LaunchShape {
  uint32_t grid[3], block[3];
  uint32_t dynamic_shared;
};

// Checks a launch in the current context and copies its arguments.
KernelOperation checked_launch(const LaunchShape &shape, CUfunction function, void **parameters, void **extra);

} // namespace weir::emulator
