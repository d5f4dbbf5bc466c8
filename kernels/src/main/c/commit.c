// Memory that is backed before it is needed. Anonymous memory has no pages until it is touched, and who touches it
// first waits for them: 5 ms per 2 MiB were measured in a virtual machine whose host backs it as late, and a step in
// which three sequences each began a block of 7 MiB took twice as long as its neighbours. So a thread touches what
// will be needed, from its beginning on.
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "thread.h"
#include "weir.h"

#ifndef MADV_POPULATE_WRITE // Linux 5.14
#define MADV_POPULATE_WRITE 23
#endif

// What is touched at a time: a huge page of most machines, so a fraction of a millisecond, or a few.
#define PIECE ((size_t)2 << 20)

// It rests so many times as long as it works: a fifth of one core at most. Of ordinary priority, because the process'
// memory map is locked meanwhile, and who holds that must not be put aside.
#define REST 4

// Between two looks at how much memory the machine has left.
#define LOOK ((size_t)64 << 20)

typedef struct {
  pthread_t thread;
  char *memory;
  size_t bytes;
  int64_t reserve;
  _Atomic int ending;
} commit;

// What the machine can still give without swapping; 0 where it does not tell.
static int64_t available(void) {
  FILE *file = fopen("/proc/meminfo", "re");
  if (!file) return 0;
  char line[128];
  long long kib = 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %lld", &kib) != 1) {}
  fclose(file);
  return kib * 1024;
}

static void *commit_main(void *argument) {
  commit *job = argument;
  for (size_t at = 0; at < job->bytes && !atomic_load(&job->ending); at += PIECE) {
    if (at % LOOK == 0 && available() < job->reserve) break; // others need it: pages come when they are touched
    size_t piece = job->bytes - at < PIECE ? job->bytes - at : PIECE;
    int64_t begun = weir_now();
    // Changes no content, whoever else reads or writes there. Where it is refused, pages come when they are touched.
    if (madvise(job->memory + at, piece, MADV_POPULATE_WRITE) != 0) break;
    int64_t rest = REST * (weir_now() - begun);
    nanosleep(&(struct timespec){rest / WEIR_NANOSECONDS, rest % WEIR_NANOSECONDS}, NULL);
  }
  return NULL;
}

// Begins to back memory that weir_allocate returned, while the machine has more than `reserve` bytes available. What to
// end it by; 0 where there is no thread to be had, and pages come when they are touched.
WEIR_EXPORT int64_t weir_commit(void *memory, int64_t bytes, int64_t reserve) {
  commit *job = calloc(1, sizeof *job);
  if (!job) return 0;
  job->memory = memory;
  job->bytes = (size_t)bytes;
  job->reserve = reserve;
  if (weir_start_thread(&job->thread, "weir-commit", commit_main, job) != 0) {
    free(job);
    return 0;
  }
  return (int64_t)(uintptr_t)job;
}

// Ends it, done or not; to be called once, before the memory is freed.
WEIR_EXPORT int weir_commit_end(void *begun) {
  commit *job = begun;
  atomic_store(&job->ending, 1);
  pthread_join(job->thread, NULL);
  free(job);
  return WEIR_OK;
}
