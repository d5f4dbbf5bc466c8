// Which function came with which driver, so that this one can pose as an old one.
#include "driver.h"

#include <dlfcn.h>

namespace weir::emulator {

namespace {

constexpr int OLDEST = 10000; // anything older than the functions below

// Functions newer than CUDA 10.0, from cuda.h's own version macros and the release notes of the driver API.
const std::map<std::string, int> SINCE = {
    {"cuStreamBeginCapture_v2", 10010},
    {"cuMemGetAllocationGranularity", 10020},
    {"cuMemAddressReserve", 10020},
    {"cuMemAddressFree", 10020},
    {"cuMemCreate", 10020},
    {"cuMemRelease", 10020},
    {"cuMemMap", 10020},
    {"cuMemUnmap", 10020},
    {"cuMemSetAccess", 10020},
    {"cuDevicePrimaryCtxRelease_v2", 11000},
    {"cuDevicePrimaryCtxSetFlags_v2", 11000},
    {"cuIpcOpenMemHandle_v2", 11000},
    {"cuGraphUpload", 11010},
    {"cuMemAllocAsync", 11020},
    {"cuMemFreeAsync", 11020},
    {"cuDeviceGetDefaultMemPool", 11020},
    {"cuMemPoolSetAttribute", 11020},
    {"cuDeviceGetUuid_v2", 11040},
    {"cuGraphInstantiateWithFlags", 11040},
    {"cuLaunchKernelEx", 11060},
    {"cuGetProcAddress_v2", 12000},
    {"cuGraphAddKernelNode_v2", 12000},
    {"cuGraphKernelNodeGetParams_v2", 12000},
    {"cuGraphExecKernelNodeSetParams_v2", 12000},
    {"cuGraphExecUpdate_v2", 12000},
    {"cuLibraryLoadData", 12000},
    {"cuLibraryUnload", 12000},
    {"cuLibraryGetKernel", 12000},
    {"cuLibraryGetGlobal", 12000},
    {"cuKernelGetFunction", 12000},
    {"cuKernelGetAttribute", 12000},
    {"cuKernelSetAttribute", 12000},
    {"cuTensorMapEncodeTiled", 12000},
    {"cuKernelGetParamInfo", 12040},
    {"cuDeviceGetDevResource", 12040},
    {"cuDevSmResourceSplitByCount", 12040},
    {"cuDevResourceGenerateDesc", 12040},
    {"cuGreenCtxCreate", 12040},
    {"cuGreenCtxDestroy", 12040},
    {"cuGreenCtxStreamCreate", 12040},
    {"cuCtxFromGreenCtx", 12040},
    {"cuEventElapsedTime_v2", 12080},
};

// Names in use, newest first: cuGetProcAddress is asked without the version.
constexpr const char *SUFFIXES[] = {"_v3", "_v2", ""};

void *exported(const std::string &name) {
  Dl_info here;
  dladdr(reinterpret_cast<const void *>(&exported), &here);
  static void *library = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  return library == nullptr ? nullptr : dlsym(library, name.c_str());
}

} // namespace

int since(const std::string &function) {
  auto known = SINCE.find(function);
  return known == SINCE.end() ? OLDEST : known->second;
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuGetProcAddress(const char *symbol, void **function, int version, cuuint64_t,
                                  CUdriverProcAddressQueryResult *status) {
  return call(__func__, Needs::NOTHING, [&] {
    require(symbol, "the function's name");
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    *function = nullptr;
    for (const char *suffix : SUFFIXES) {
      std::string name = std::string(symbol) + suffix;
      void *address = exported(name);
      if (address != nullptr && since(name) <= std::min(version, world().configuration.driver)) {
        *function = address;
        found = CU_GET_PROC_ADDRESS_SUCCESS;
        break;
      }
      if (address != nullptr) {
        found = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
      }
    }
    if (status != nullptr) {
      *status = found;
    }
    if (found != CU_GET_PROC_ADDRESS_SUCCESS) {
      refuse(CUDA_ERROR_NOT_FOUND);
    }
  });
}
