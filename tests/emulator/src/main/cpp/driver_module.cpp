// Modules, libraries, kernels and their attributes, module variables, occupancy.
#include "driver_module.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

namespace weir::emulator {

namespace {

constexpr int DEFAULT_DYNAMIC_LIMIT = 48 * 1024;
constexpr int REGISTER_UNIT = 256; // registers are given to a warp in these
constexpr int WARP_SIZE = 32;

// "checked" and "fast" lie beside this driver; else a path.
std::string path_of(const std::string &kernels) {
  if (kernels.find('/') != std::string::npos) {
    return kernels;
  }
  Dl_info here;
  dladdr(reinterpret_cast<const void *>(&path_of), &here);
  std::string path = here.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + "libweir_kernels_" + kernels + ".so";
}

template <class Signature> Signature *symbol(void *library, const char *name) {
  return reinterpret_cast<Signature *>(dlsym(library, name));
}

// Opened once and kept: kernels of several libraries may be loaded at once.
const HostLibrary &host_library() {
  static std::map<std::string, HostLibrary> open;
  std::string path = path_of(world().configuration.kernels);
  auto known = open.find(path);
  if (known != open.end()) {
    return known->second;
  }
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    misuse(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, std::string("no library of kernels: ") + dlerror());
  }
  auto kernels = symbol<const weir_kernel *(uint32_t *)>(library, "weir_kernels");
  auto checked = symbol<int()>(library, "weir_checked");
  auto run = symbol<int(const weir_launch *, char *, uint64_t)>(library, "weir_run");
  if (kernels == nullptr || checked == nullptr || run == nullptr) {
    misuse(CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, path + " is no library of kernels");
  }
  HostLibrary &made = open[path];
  made.checked = checked() != 0;
  made.run = run;
  uint32_t count = 0;
  const weir_kernel *all = kernels(&count);
  for (uint32_t index = 0; index < count; index++) {
    made.kernels[all[index].name] = &all[index];
  }
  return made;
}

// What the host build and the image must agree on, or one of them is stale. Not shared memory: a kernel may take as
// much as its architecture has, and the host build is of one architecture.
void check_agreement(const std::string &name, const ImageKernel &image, const weir_kernel &host) {
  uint32_t bytes = 0;
  for (auto &[offset, size] : image.parameters) {
    bytes = std::max(bytes, offset + size);
  }
  auto differ = [&](const char *what, long in_image, long on_host) {
    if (in_image != on_host) {
      misuse(CUDA_ERROR_INVALID_IMAGE, "kernel " + name + ": " + what + " is " + std::to_string(in_image) +
                                           " in the image and " + std::to_string(on_host) +
                                           " in the library of kernels; build both from the same sources");
    }
  };
  differ("the size of the arguments", bytes, host.argument_bytes);
  differ("the block size", image.max_threads, host.threads);
}

// The log that a caller of a failed load gave room for.
void write_error_log(const std::string &text, unsigned count, CUjit_option *options, void **values) {
  char *buffer = nullptr;
  uint64_t size = 0;
  for (unsigned index = 0; index < count; index++) {
    if (options[index] == CU_JIT_ERROR_LOG_BUFFER) {
      buffer = static_cast<char *>(values[index]);
    } else if (options[index] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      size = reinterpret_cast<uint64_t>(values[index]);
    }
  }
  if (buffer != nullptr && size > 0) {
    snprintf(buffer, size, "%s", text.c_str());
  }
}

Image read_logged(const void *bytes, unsigned count, CUjit_option *options, void **values) {
  try {
    return read_image(bytes);
  } catch (const Failure &failure) {
    const Configuration &configuration = world().configuration;
    const char *text = nullptr;
    cuGetErrorString(failure.result, &text);
    write_error_log(std::string(text) + " (the device has compute capability " + std::to_string(configuration.major) +
                        "." + std::to_string(configuration.minor) + ", the driver is " +
                        std::to_string(configuration.driver) + ")",
                    count, options, values);
    throw;
  }
}

uint64_t load(const void *bytes, uint64_t context, unsigned count, CUjit_option *options, void **values) {
  require(bytes, "the image");
  auto module = std::make_shared<Module>();
  module->image = read_logged(bytes, count, options, values);
  module->context = context;
  return world().modules.add(world().new_handle(), module);
}

uint64_t kernel_named(Module &module, const char *name) {
  require(name, "the kernel's name");
  auto known = module.kernels.find(name);
  if (known != module.kernels.end()) {
    return known->second;
  }
  auto in_image = module.image.kernels.find(name);
  if (in_image == module.image.kernels.end()) {
    refuse(CUDA_ERROR_NOT_FOUND);
  }
  const HostLibrary &library = host_library();
  auto on_host = library.kernels.find(name);
  if (on_host == library.kernels.end()) {
    misuse(CUDA_ERROR_NOT_FOUND, std::string("kernel ") + name + " is in the image, but not in the library of kernels " +
                                     world().configuration.kernels);
  }
  check_agreement(name, in_image->second, *on_host->second);
  auto kernel =
      std::make_shared<Kernel>(Kernel{&module, name, on_host->second, &library, &in_image->second, {}});
  return module.kernels[name] = world().kernels.add(world().new_handle(), kernel);
}

void variable_named(Module &module, const char *name, Context &context, CUdeviceptr *pointer, size_t *bytes) {
  require(name, "the variable's name");
  auto found = module.image.variables.find(name);
  if (found == module.image.variables.end()) {
    refuse(CUDA_ERROR_NOT_FOUND);
  }
  const std::vector<uint8_t> &contents = found->second;
  auto key = std::make_pair(context.handle, std::string(name));
  if (module.variables.count(key) == 0) {
    Region &region = allocate(contents.size(), Place::DEVICE, context, std::string("variable ") + name);
    region.internal = true;
    memcpy(reinterpret_cast<void *>(region.begin), contents.data(), contents.size());
    region.written->set(0, contents.size());
    module.variables[key] = region.begin;
  }
  if (pointer != nullptr) {
    *pointer = module.variables[key];
  }
  if (bytes != nullptr) {
    *bytes = contents.size();
  }
}

void unload(uint64_t handle) {
  World &here = world();
  Module &module = here.modules.at(handle);
  for (auto &[number, work] : here.pending) {
    (void)number;
    if (work->module == &module) {
      misuse(CUDA_ERROR_ILLEGAL_STATE, "unloaded while " + work->what + " is pending");
    }
  }
  for (auto &[name, kernel] : module.kernels) {
    here.kernels.remove(kernel);
  }
  std::vector<uint64_t> functions;
  for (auto &[number, function] : here.functions.all()) {
    if (function->kernel->module == &module) {
      functions.push_back(number);
    }
  }
  for (uint64_t function : functions) {
    here.functions.remove(function);
  }
  for (auto &[key, address] : module.variables) {
    if (Region *region = region_of(address, 0)) {
      release(*region);
    }
  }
  here.modules.remove(handle);
}

Module &module_at(const void *handle, bool library) {
  Module &module = world().modules.at(handle);
  if (library != (module.context == 0)) {
    misuse(CUDA_ERROR_INVALID_HANDLE, "a module where a library is meant, or the reverse");
  }
  return module;
}

int attribute_of(const Kernel &kernel, CUfunction_attribute attribute, int device) {
  const ImageKernel &image = *kernel.image;
  int capability = world().configuration.major * 10 + world().configuration.minor;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    return image.max_threads == 0 ? 1024 : image.max_threads;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    return image.static_shared;
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    return image.constant_bytes;
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    return image.local_bytes;
  case CU_FUNC_ATTRIBUTE_NUM_REGS:
    return image.registers;
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
    return capability;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    return dynamic_limit(kernel, device);
  case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    return CU_SHAREDMEM_CARVEOUT_DEFAULT;
  case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
  case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    return 0;
  default:
    refuse(CUDA_ERROR_INVALID_VALUE);
  }
}

void set_attribute(Kernel &kernel, CUfunction_attribute attribute, int value, int device) {
  int most = weir::emulator::attribute_of(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    if (value < 0 || value + kernel.image->static_shared > most) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    kernel.dynamic_limit[device] = value;
    return;
  case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: // a hint for the cache, which is not emulated
    if (value < CU_SHAREDMEM_CARVEOUT_DEFAULT || value > CU_SHAREDMEM_CARVEOUT_MAX_SHARED) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    return;
  default:
    refuse(CUDA_ERROR_INVALID_VALUE);
  }
}

int rounded(int value, int unit) { return (value + unit - 1) / unit * unit; }

// By the four limits of a multiprocessor: blocks, threads, registers, shared memory.
int occupancy(const Kernel &kernel, int device, int threads, size_t dynamic_shared) {
  auto limit = [&](CUdevice_attribute attribute) { return weir::emulator::attribute_of(device, attribute); };
  int warps = rounded(threads, WARP_SIZE) / WARP_SIZE;
  int blocks = std::min(limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR),
                        limit(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / (warps * WARP_SIZE));
  int registers = warps * rounded(kernel.image->registers * WARP_SIZE, REGISTER_UNIT);
  if (registers > 0) {
    blocks = std::min(blocks, limit(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR) / registers);
  }
  int64_t shared = kernel.image->static_shared + static_cast<int64_t>(dynamic_shared) +
                   limit(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
  return static_cast<int>(
      std::min<int64_t>(blocks, limit(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) / shared));
}

} // namespace

int dynamic_limit(const Kernel &kernel, int device) {
  auto set = kernel.dynamic_limit.find(device);
  return set != kernel.dynamic_limit.end() ? set->second : DEFAULT_DYNAMIC_LIMIT - kernel.image->static_shared;
}

std::shared_ptr<Kernel> kernel_of(CUfunction handle) {
  uint64_t number = reinterpret_cast<uint64_t>(handle);
  if (world().kernels.find(number) != nullptr) {
    return world().kernels.share(handle);
  }
  Function &function = world().functions.at(handle);
  if (function.context != current_context()) {
    misuse(CUDA_ERROR_INVALID_HANDLE, "a function of another context than the current one");
  }
  return function.kernel;
}

void forget_context(Context &context) {
  World &here = world();
  std::vector<uint64_t> functions, modules;
  for (auto &[number, function] : here.functions.all()) {
    if (function->context == &context) {
      functions.push_back(number);
    }
  }
  for (uint64_t function : functions) {
    here.functions.remove(function);
  }
  for (auto &[number, module] : here.modules.all()) {
    for (auto variable = module->variables.begin(); variable != module->variables.end();) {
      variable = variable->first.first == context.handle ? module->variables.erase(variable) : std::next(variable);
    }
    if (module->context == context.handle) {
      modules.push_back(number);
    }
  }
  for (uint64_t module : modules) {
    unload(module);
  }
}

} // namespace weir::emulator

using namespace weir::emulator;

namespace {

CUfunction function_in(Context &context, const void *kernel) {
  auto function = std::make_shared<Function>(Function{world().kernels.share(kernel), &context});
  return reinterpret_cast<CUfunction>(world().functions.add(world().new_handle(), function));
}

} // namespace

CUresult CUDAAPI cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options,
                                    void **values) {
  return in_context(__func__, [&](Context &context) {
    *module = reinterpret_cast<CUmodule>(load(image, context.handle, count, options, values));
  });
}

CUresult CUDAAPI cuModuleUnload(CUmodule module) {
  return in_context(__func__, [&](Context &) {
    module_at(module, false);
    unload(reinterpret_cast<uint64_t>(module));
  });
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return in_context(__func__, [&](Context &context) {
    uint64_t kernel = kernel_named(module_at(module, false), name);
    *function = function_in(context, reinterpret_cast<const void *>(kernel));
  });
}

CUresult CUDAAPI cuModuleGetGlobal(CUdeviceptr *pointer, size_t *bytes, CUmodule module, const char *name) {
  return in_context(__func__,
                    [&](Context &context) { variable_named(module_at(module, false), name, context, pointer, bytes); });
}

CUresult CUDAAPI cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *options, void **values,
                                   unsigned count, CUlibraryOption *, void **, unsigned) {
  return call(__func__, Needs::INITIALISED,
              [&] { *library = reinterpret_cast<CUlibrary>(load(code, 0, count, options, values)); });
}

CUresult CUDAAPI cuLibraryUnload(CUlibrary library) {
  return call(__func__, Needs::INITIALISED, [&] {
    module_at(library, true);
    unload(reinterpret_cast<uint64_t>(library));
  });
}

CUresult CUDAAPI cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
  return call(__func__, Needs::INITIALISED,
              [&] { *kernel = reinterpret_cast<CUkernel>(kernel_named(module_at(library, true), name)); });
}

CUresult CUDAAPI cuLibraryGetGlobal(CUdeviceptr *pointer, size_t *bytes, CUlibrary library, const char *name) {
  return in_context(__func__,
                    [&](Context &context) { variable_named(module_at(library, true), name, context, pointer, bytes); });
}

CUresult CUDAAPI cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
  return in_context(__func__, [&](Context &context) { *function = function_in(context, kernel); });
}

CUresult CUDAAPI cuKernelGetAttribute(int *value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  return call(__func__, Needs::INITIALISED,
              [&] { *value = attribute_of(world().kernels.at(kernel), attribute, device_of(device)); });
}

CUresult CUDAAPI cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device) {
  return call(__func__, Needs::INITIALISED,
              [&] { set_attribute(world().kernels.at(kernel), attribute, value, device_of(device)); });
}

CUresult CUDAAPI cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset, size_t *size) {
  return call(__func__, Needs::INITIALISED, [&] {
    auto &parameters = world().kernels.at(kernel).image->parameters;
    if (index >= parameters.size()) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    *offset = parameters[index].first;
    if (size != nullptr) {
      *size = parameters[index].second;
    }
  });
}

CUresult CUDAAPI cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  return in_context(__func__, [&](Context &context) {
    *value = attribute_of(*kernel_of(function), attribute, context.device);
  });
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return in_context(__func__,
                    [&](Context &context) { set_attribute(*kernel_of(function), attribute, value, context.device); });
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads,
                                                             size_t dynamic_shared) {
  return in_context(__func__, [&](Context &context) {
    std::shared_ptr<Kernel> kernel = kernel_of(function);
    if (threads <= 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    *blocks = occupancy(*kernel, context.device, threads, dynamic_shared);
  });
}
