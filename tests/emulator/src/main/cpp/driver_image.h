// What a cubin or PTX text says about itself.
#pragma once

#include "driver.h"

namespace weir::emulator {

struct ImageKernel {
  int max_threads = 0; // 0: no launch bounds
  int registers = 0;   // 0: not compiled yet
  int local_bytes = 0, static_shared = 0, constant_bytes = 0;
  std::vector<std::pair<uint32_t, uint32_t>> parameters; // offset, size
};

struct Image {
  std::map<std::string, ImageKernel> kernels;
  std::map<std::string, std::vector<uint8_t>> variables; // first contents
};

// Reads an image for the configured devices, or refuses it as the driver would. Of an ELF file the length is what its
// headers say: a caller gives none.
Image read_image(const void *image);

} // namespace weir::emulator
