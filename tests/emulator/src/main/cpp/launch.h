/* Between the emulated driver (libcuda.so.1) and a library of kernels compiled for the host: the driver opens such a
 * library, asks it for its kernels, and has it run one launch at a time. Device memory is host memory that the driver
 * allocated; a device pointer is its address. */
#ifndef WEIR_EMULATOR_LAUNCH_H
#define WEIR_EMULATOR_LAUNCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What WEIR_KERNEL declares. */
struct weir_kernel {
  const char *name;
  uint32_t argument_bytes;
  uint32_t threads;      /* per block */
  int32_t shared_bytes;  /* dynamic; the value of the global NAME_shared */
  void (*body)(const void *arguments);
};

/* A live range of memory that the launching device may touch. */
struct weir_range {
  uint64_t begin, end; /* bytes [begin, end) */
  const char *what;    /* for reports */
  /* One bit per byte, set where it was ever written; NULL: all of it was. Bit i of byte i/8 is byte begin+i. */
  uint8_t *written;
};

/* Memory as the driver sees it while a launch runs; it does not change during the launch. */
struct weir_memory {
  const struct weir_range *ranges; /* ascending, disjoint */
  uint64_t count;
};

enum weir_thread_order { WEIR_FORWARD, WEIR_REVERSE, WEIR_RANDOM };
enum weir_landing { WEIR_LAND_LATE, WEIR_LAND_EARLY, WEIR_LAND_RANDOM };

struct weir_launch {
  const struct weir_kernel *kernel;
  uint32_t grid[3];
  uint32_t block[3];
  uint32_t dynamic_shared_bytes;
  const void *arguments;
  enum weir_thread_order order; /* of threads at every rendezvous, and of blocks */
  enum weir_landing landing;    /* when cp.async data arrives, between its issue and its wait */
  uint64_t seed;
  const struct weir_memory *memory; /* NULL: not checked */
};

/* Exported by a library of kernels. */
const struct weir_kernel *weir_kernels(uint32_t *count);

/* 1 where the library was compiled with access checks. */
int weir_checked(void);

/* Runs a whole launch. Returns 0, or 1 and a text: which kernel, block, thread and source line did what wrong. */
int weir_run(const struct weir_launch *launch, char *report, uint64_t report_bytes);

#ifdef __cplusplus
}
#endif
#endif
