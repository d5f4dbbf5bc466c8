// Kernel launches: checked at the call, arguments copied there, run later.
#include "driver_launch.h"

#include <algorithm>
#include <cstring>

namespace weir::emulator {

namespace {

constexpr size_t REPORT_BYTES = 16 * 1024;
constexpr size_t MAX_EXTRA = 16; // entries of `extra` before its end must have come

// The arguments that a call gives, as `extra` (one packed buffer) or one pointer per parameter.
std::vector<uint8_t> arguments_of(const Kernel &kernel, void **parameters, void **extra) {
  uint32_t bytes = kernel.host->argument_bytes;
  std::vector<uint8_t> arguments(bytes);
  if ((parameters == nullptr) == (extra == nullptr)) {
    misuse(CUDA_ERROR_INVALID_VALUE, "kernel " + kernel.name + " needs either kernelParams or extra");
  }
  if (parameters != nullptr) {
    require(parameters[0], "kernelParams[0]");
    memcpy(arguments.data(), parameters[0], bytes);
    return arguments;
  }
  const void *buffer = nullptr;
  size_t size = 0;
  size_t index = 0;
  for (; index < MAX_EXTRA && extra[index] != CU_LAUNCH_PARAM_END; index += 2) {
    if (extra[index] == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = extra[index + 1];
    } else if (extra[index] == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      require(static_cast<size_t *>(extra[index + 1]), "the size of the packed arguments");
      size = *static_cast<size_t *>(extra[index + 1]);
    } else {
      misuse(CUDA_ERROR_INVALID_VALUE, "extra has an unknown entry");
    }
  }
  if (index >= MAX_EXTRA || buffer == nullptr || size != bytes) {
    misuse(CUDA_ERROR_INVALID_VALUE, "kernel " + kernel.name + " has " + std::to_string(bytes) +
                                         " bytes of arguments; extra gives " + std::to_string(size));
  }
  memcpy(arguments.data(), buffer, bytes);
  return arguments;
}

void check_attributes(const CUlaunchConfig &config) {
  for (unsigned index = 0; index < config.numAttrs; index++) {
    switch (config.attrs[index].id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    // Hints: no result depends on them.
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    // A kernel that waits for its predecessor before it reads cannot tell full serialisation from this.
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      break;
    default:
      refuse(CUDA_ERROR_NOT_SUPPORTED);
    }
  }
}

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t mixed = (a ^ b) * 0x9e3779b97f4a7c15u;
  return mixed ^ mixed >> 31;
}

// What the host build of a kernel gets of dynamic shared memory: as much more, or less, than it needs as the launch gives
// the image's build.
uint32_t host_shared(const KernelOperation &operation) {
  const Kernel &kernel = *operation.kernel;
  int32_t needed = kernel.host->shared_bytes;
  auto named = kernel.module->image.variables.find(kernel.name + "_shared");
  if (named != kernel.module->image.variables.end() && named->second.size() == sizeof needed) {
    memcpy(&needed, named->second.data(), sizeof needed);
  }
  int64_t given = int64_t{operation.dynamic_shared} - needed + kernel.host->shared_bytes;
  return static_cast<uint32_t>(std::max<int64_t>(given, 0));
}

} // namespace

KernelOperation checked_launch(const LaunchShape &shape, CUfunction function, void **parameters, void **extra) {
  std::shared_ptr<Kernel> kernel = kernel_of(function);
  int device = current_context()->device;
  const char *dimensions[] = {"x", "y", "z"};
  const CUdevice_attribute grid_limits[] = {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y,
                                            CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z};
  for (int axis = 0; axis < 3; axis++) {
    if (shape.grid[axis] == 0 || shape.block[axis] == 0 ||
        shape.grid[axis] > static_cast<uint32_t>(attribute_of(device, grid_limits[axis]))) {
      misuse(CUDA_ERROR_INVALID_VALUE, "kernel " + kernel->name + ": no grid or block of that size in " +
                                           dimensions[axis] + ": grid " + std::to_string(shape.grid[axis]) +
                                           ", block " + std::to_string(shape.block[axis]));
    }
  }
  uint64_t threads = uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  if (threads > 1024 || (kernel->image->max_threads != 0 && threads > static_cast<uint64_t>(kernel->image->max_threads))) {
    misuse(CUDA_ERROR_INVALID_VALUE, "kernel " + kernel->name + ": " + std::to_string(threads) +
                                         " threads per block; it is made for " +
                                         std::to_string(kernel->image->max_threads));
  }
  if (shape.dynamic_shared > static_cast<uint32_t>(dynamic_limit(*kernel, device))) {
    misuse(CUDA_ERROR_INVALID_VALUE, "kernel " + kernel->name + ": " + std::to_string(shape.dynamic_shared) +
                                         " bytes of dynamic shared memory; allowed are " +
                                         std::to_string(dynamic_limit(*kernel, device)) +
                                         " (cuFuncSetAttribute raises it)");
  }
  KernelOperation launch{kernel, device, {}, {}, shape.dynamic_shared, arguments_of(*kernel, parameters, extra)};
  std::copy_n(shape.grid, 3, launch.grid);
  std::copy_n(shape.block, 3, launch.block);
  return launch;
}

void execute_kernel(const KernelOperation &operation) {
  inject_into("kernel");
  World &here = world();
  const Kernel &kernel = *operation.kernel;
  weir_launch launch{};
  launch.kernel = kernel.host;
  std::copy_n(operation.grid, 3, launch.grid);
  std::copy_n(operation.block, 3, launch.block);
  launch.dynamic_shared_bytes = host_shared(operation);
  launch.arguments = operation.arguments.data();
  launch.order = here.configuration.order;
  launch.landing = here.configuration.landing;
  launch.seed = mix(here.configuration.seed, here.calls["kernel"]);
  launch.memory = kernel.library->checked ? memory_of(operation.device) : nullptr;
  std::vector<char> text(REPORT_BYTES, 0);
  if (kernel.library->run(&launch, text.data(), text.size()) != 0) {
    throw Fault{CUDA_ERROR_LAUNCH_FAILED, text.data()};
  }
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic_shared,
                                CUstream stream, void **parameters, void **extra) {
  return in_context(__func__, [&](Context &) {
    LaunchShape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_shared};
    submit(stream_of(stream), checked_launch(shape, function, parameters, extra));
  });
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  return in_context(__func__, [&](Context &) {
    require(config, "the launch configuration");
    check_attributes(*config);
    LaunchShape shape{{config->gridDimX, config->gridDimY, config->gridDimZ},
                      {config->blockDimX, config->blockDimY, config->blockDimZ},
                      config->sharedMemBytes};
    submit(stream_of(config->hStream), checked_launch(shape, function, parameters, extra));
  });
}
