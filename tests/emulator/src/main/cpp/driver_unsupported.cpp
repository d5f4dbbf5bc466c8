// What this driver does not have: memory shared between processes, tensor maps (no kernel's vocabulary has TMA), streams
// on a share of the multiprocessors. Each says so; none pretends.
#include "driver.h"

using namespace weir::emulator;

namespace {

CUresult unsupported(const char *function, Needs needs = Needs::CONTEXT) {
  return call(function, needs, [] { refuse(CUDA_ERROR_NOT_SUPPORTED); });
}

} // namespace

CUresult CUDAAPI cuIpcGetMemHandle(CUipcMemHandle *, CUdeviceptr) { return unsupported(__func__); }

CUresult CUDAAPI cuIpcOpenMemHandle(CUdeviceptr *, CUipcMemHandle, unsigned) { return unsupported(__func__); }

CUresult CUDAAPI cuIpcCloseMemHandle(CUdeviceptr) { return unsupported(__func__); }

CUresult CUDAAPI cuIpcGetEventHandle(CUipcEventHandle *, CUevent) { return unsupported(__func__); }

CUresult CUDAAPI cuIpcOpenEventHandle(CUevent *, CUipcEventHandle) { return unsupported(__func__); }

CUresult CUDAAPI cuTensorMapEncodeTiled(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *,
                                        const cuuint64_t *, const cuuint32_t *, const cuuint32_t *,
                                        CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion,
                                        CUtensorMapFloatOOBfill) {
  return unsupported(__func__);
}

CUresult CUDAAPI cuDeviceGetDevResource(CUdevice, CUdevResource *, CUdevResourceType) {
  return unsupported(__func__, Needs::INITIALISED);
}

CUresult CUDAAPI cuDevSmResourceSplitByCount(CUdevResource *, unsigned *, const CUdevResource *, CUdevResource *,
                                             unsigned, unsigned) {
  return unsupported(__func__, Needs::INITIALISED);
}

CUresult CUDAAPI cuDevResourceGenerateDesc(CUdevResourceDesc *, CUdevResource *, unsigned) {
  return unsupported(__func__, Needs::INITIALISED);
}

CUresult CUDAAPI cuGreenCtxCreate(CUgreenCtx *, CUdevResourceDesc, CUdevice, unsigned) {
  return unsupported(__func__, Needs::INITIALISED);
}

CUresult CUDAAPI cuGreenCtxDestroy(CUgreenCtx) { return unsupported(__func__, Needs::INITIALISED); }

CUresult CUDAAPI cuGreenCtxStreamCreate(CUstream *, CUgreenCtx, unsigned, int) {
  return unsupported(__func__, Needs::INITIALISED);
}

CUresult CUDAAPI cuCtxFromGreenCtx(CUcontext *, CUgreenCtx) { return unsupported(__func__, Needs::INITIALISED); }
