// Kernels for tests of the driver alone: plain functions behind launch.h, without threads. Adding and scaling do not
// commute, so that their order shows.
#include "launch.h"

#include <stdio.h>

namespace {

struct Arguments {
  int32_t *values;
  int64_t count, operand;
};

const weir_memory *memory;
const char *wrong;

bool reachable(const void *address, uint64_t bytes) {
  uint64_t begin = reinterpret_cast<uint64_t>(address);
  for (uint64_t index = 0; index < memory->count; index++) {
    if (memory->ranges[index].begin <= begin && begin + bytes <= memory->ranges[index].end) {
      return true;
    }
  }
  wrong = "values are out of reach";
  return false;
}

template <class Change> void each(const void *given, Change change) {
  const Arguments &arguments = *static_cast<const Arguments *>(given);
  if (reachable(arguments.values, static_cast<uint64_t>(arguments.count) * sizeof(int32_t))) {
    for (int64_t index = 0; index < arguments.count; index++) {
      arguments.values[index] = change(arguments.values[index], static_cast<int32_t>(arguments.operand));
    }
  }
}

void add(const void *arguments) {
  each(arguments, [](int32_t value, int32_t operand) { return value + operand; });
}

void scale(const void *arguments) {
  each(arguments, [](int32_t value, int32_t operand) { return value * operand; });
}

void fail(const void *) { wrong = "made to fail"; }

constexpr uint32_t THREADS = 32;
constexpr int32_t MUCH_SHARED = 64 * 1024;

const weir_kernel KERNELS[] = {
    {"add", sizeof(Arguments), THREADS, 0, add},
    {"scale", sizeof(Arguments), THREADS, 0, scale},
    {"fail", sizeof(Arguments), THREADS, 0, fail},
    {"much_shared", sizeof(Arguments), THREADS, MUCH_SHARED, add},
};

} // namespace

extern "C" {

__attribute__((visibility("default"))) const weir_kernel *weir_kernels(uint32_t *count) {
  *count = sizeof KERNELS / sizeof KERNELS[0];
  return KERNELS;
}

__attribute__((visibility("default"))) int weir_checked(void) { return 1; }

__attribute__((visibility("default"))) int weir_run(const weir_launch *launch, char *report, uint64_t report_bytes) {
  memory = launch->memory;
  wrong = nullptr;
  launch->kernel->body(launch->arguments);
  if (wrong != nullptr) {
    snprintf(report, report_bytes, "%s", wrong);
  }
  return wrong != nullptr;
}
}
