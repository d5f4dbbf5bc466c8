// Opening and closing a device, and its memory.
#define _GNU_SOURCE
#include "weir.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa.h"
#include "pool.h"

#define HUGE_PAGE ((size_t)2 << 20)

void *weir_map(size_t bytes) {
  size_t slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
  size_t mapped = bytes + slack;
  char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  if (!slack) return start;
  // Keep the aligned part of what was mapped.
  char *aligned = (char *)(((uintptr_t)start + slack - 1) & ~(uintptr_t)(slack - 1));
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *end = aligned + ((bytes + page - 1) & ~(page - 1));
  if (aligned > start) munmap(start, (size_t)(aligned - start));
  char *mapped_end = start + ((mapped + page - 1) & ~(page - 1));
  if (mapped_end > end) munmap(end, (size_t)(mapped_end - end));
  madvise(aligned, bytes, MADV_HUGEPAGE); // advice: where it is refused, small pages do
  return aligned;
}

void weir_unmap(void *memory, size_t bytes) { munmap(memory, bytes); }

void *weir_scratch(weir_device *device, size_t bytes) {
  if (bytes <= device->scratch_bytes) return device->scratch;
  void *grown = weir_map(bytes + bytes / 2);
  if (!grown) return NULL;
  if (device->scratch) weir_unmap(device->scratch, device->scratch_bytes);
  device->scratch = grown;
  device->scratch_bytes = bytes + bytes / 2;
  return grown;
}

// Opens a device; its handle goes to *opened.
WEIR_EXPORT int weir_open(int threads, int isa, int matrix, int64_t *opened) {
  if (isa > (int)weir_detect_isa()) return WEIR_UNSUPPORTED;
  if (matrix == WEIR_AMX && !weir_acquire_amx()) return WEIR_UNSUPPORTED;
  weir_device *device = calloc(1, sizeof *device);
  if (!device) return WEIR_NO_MEMORY;
  device->isa = (weir_isa)isa;
  device->matrix = (weir_matrix)matrix;
  device->pool = weir_pool_open(threads);
  if (!device->pool) {
    free(device);
    return WEIR_NO_MEMORY;
  }
  *opened = (int64_t)(uintptr_t)device;
  return WEIR_OK;
}

WEIR_EXPORT int weir_close(weir_device *device) {
  weir_pool_close(device->pool);
  if (device->scratch) weir_unmap(device->scratch, device->scratch_bytes);
  free(device);
  return WEIR_OK;
}

// The best vector level (weir_isa) of this machine.
WEIR_EXPORT int weir_best_isa(void) { return (int)weir_detect_isa(); }

// 1 if the matrix unit can be used.
WEIR_EXPORT int weir_has_amx(void) { return weir_acquire_amx(); }

// The address of zeroed memory, or a negated errno.
WEIR_EXPORT int64_t weir_allocate(int64_t bytes) {
  void *memory = weir_map((size_t)bytes);
  return memory ? (int64_t)(uintptr_t)memory : -(int64_t)errno;
}

WEIR_EXPORT int weir_free(void *memory, int64_t bytes) {
  weir_unmap(memory, (size_t)bytes);
  return WEIR_OK;
}
