// Worker threads. A job is a count of chunks; a ticket (job number, next chunk) is claimed by compare-and-swap, so
// a worker that wakes too late finds nothing to claim and nobody waits for it: on a busy machine the calling
// thread simply does all the chunks itself.
#define _GNU_SOURCE
#include "pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thread.h"

// An idle thread spins this long before it sleeps: longer than the gaps between the ops of a step (a few µs to a
// few tens of µs), far shorter than the gaps between steps of an idle engine.
#define SPIN_NANOSECONDS 50000
#define PAUSES_PER_CLOCK_READ 16
#define MAX_THREADS 1024
#define MAX_CHUNKS ((int64_t)UINT32_MAX)

typedef struct {
  weir_pool *pool;
  int number;
} worker_start;

struct weir_pool {
  int threads;
  int started;
  pthread_t *handles;
  worker_start *starts;

  // The job. Written by the calling thread while no ticket of it is out.
  _Atomic(weir_chunk_fn *) fn;
  _Atomic(void *) context;
  _Atomic int64_t chunks;

  _Alignas(64) _Atomic uint64_t ticket; // job number << 32 | next chunk
  _Alignas(64) _Atomic int64_t done;
  _Alignas(64) _Atomic uint32_t published; // futex: changes with every job, and at the end
  _Atomic uint32_t sleepers;
  _Alignas(64) _Atomic uint32_t finished; // futex: changes when a job's last chunk is done
  _Atomic uint32_t caller_sleeps;
  _Atomic int stopping;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
  syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) __builtin_ia32_pause();
#elif defined(__aarch64__)
  for (int i = 0; i < PAUSES_PER_CLOCK_READ; i++) __asm__ volatile("isb" ::: "memory");
#endif
}

// Claims and runs chunks of the current job until none is left.
static void run_chunks(weir_pool *pool, int worker) {
  for (;;) {
    uint64_t ticket = atomic_load(&pool->ticket);
    int64_t chunk = (int64_t)(ticket & UINT32_MAX);
    int64_t chunks = atomic_load(&pool->chunks);
    weir_chunk_fn *fn = atomic_load(&pool->fn);
    void *context = atomic_load(&pool->context);
    if (chunk >= chunks) return;
    // Success means that the job has not changed since the ticket was read, so the fields read are its own.
    if (!atomic_compare_exchange_strong(&pool->ticket, &ticket, ticket + 1)) continue;
    fn(context, chunk, worker);
    if (atomic_fetch_add(&pool->done, 1) + 1 == chunks) {
      atomic_fetch_add(&pool->finished, 1);
      if (atomic_load(&pool->caller_sleeps)) futex_wake_all(&pool->finished);
    }
  }
}

// Returns once `published` differs from `seen`.
static void await_job(weir_pool *pool, uint32_t seen) {
  int64_t limit = weir_now() + SPIN_NANOSECONDS;
  do {
    if (atomic_load_explicit(&pool->published, memory_order_acquire) != seen) return;
    pause_briefly();
  } while (weir_now() < limit);
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->published) == seen) futex_wait(&pool->published, seen);
  atomic_fetch_sub(&pool->sleepers, 1);
}

static void *worker_main(void *argument) {
  worker_start *start = argument;
  weir_pool *pool = start->pool;
  uint32_t seen = 0;
  for (;;) {
    await_job(pool, seen);
    seen = atomic_load(&pool->published);
    if (atomic_load(&pool->stopping)) return NULL;
    run_chunks(pool, start->number);
  }
}

static void publish(weir_pool *pool) {
  atomic_fetch_add(&pool->published, 1);
  if (atomic_load(&pool->sleepers)) futex_wake_all(&pool->published);
}

static void await_done(weir_pool *pool, int64_t chunks) {
  int64_t limit = weir_now() + SPIN_NANOSECONDS;
  do {
    if (atomic_load(&pool->done) == chunks) return;
    pause_briefly();
  } while (weir_now() < limit);
  atomic_store(&pool->caller_sleeps, 1);
  for (;;) {
    uint32_t seen = atomic_load(&pool->finished);
    if (atomic_load(&pool->done) == chunks) break;
    futex_wait(&pool->finished, seen);
  }
  atomic_store(&pool->caller_sleeps, 0);
}

void weir_parallel_for(weir_device *device, int64_t chunks, weir_chunk_fn *fn, void *context) {
  weir_pool *pool = device->pool;
  if (pool->threads == 1 || chunks <= 1 || chunks > MAX_CHUNKS) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) fn(context, chunk, 0);
    return;
  }
  // No chunk can be claimed while `chunks` is 0; a late worker's ticket is of an older job and fails its swap.
  atomic_store(&pool->chunks, 0);
  uint64_t job = (atomic_load(&pool->ticket) >> 32) + 1;
  atomic_store(&pool->ticket, job << 32);
  atomic_store(&pool->done, 0);
  atomic_store(&pool->fn, fn);
  atomic_store(&pool->context, context);
  atomic_store(&pool->chunks, chunks);
  publish(pool);
  run_chunks(pool, 0);
  await_done(pool, chunks);
}

void weir_parallel_for_work(weir_device *device, int64_t work, int64_t chunks, weir_chunk_fn *fn, void *context) {
  if (work < WEIR_INLINE_WORK) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) fn(context, chunk, 0);
    return;
  }
  weir_parallel_for(device, chunks, fn, context);
}

int weir_threads(const weir_device *device) { return device->pool->threads; }

weir_pool *weir_pool_open(int threads) {
  if (threads < 1 || threads > MAX_THREADS) return NULL;
  weir_pool *pool = aligned_alloc(64, (size_t)weir_round_up(sizeof *pool, 64));
  if (!pool) return NULL;
  *pool = (weir_pool){.threads = threads};
  pool->handles = calloc((size_t)threads, sizeof *pool->handles);
  pool->starts = calloc((size_t)threads, sizeof *pool->starts);
  int failed = !pool->handles || !pool->starts;
  for (int number = 1; number < threads && !failed; number++) {
    pool->starts[number] = (worker_start){pool, number};
    char name[16];
    snprintf(name, sizeof name, "weir-cpu-%d", number);
    failed = weir_start_thread(&pool->handles[number], name, worker_main, &pool->starts[number]) != 0;
    if (!failed) pool->started = number;
  }
  if (failed) {
    weir_pool_close(pool);
    return NULL;
  }
  return pool;
}

void weir_pool_close(weir_pool *pool) {
  atomic_store(&pool->chunks, 0);
  atomic_store(&pool->stopping, 1);
  publish(pool);
  for (int number = 1; number <= pool->started; number++) pthread_join(pool->handles[number], NULL);
  free(pool->handles);
  free(pool->starts);
  free(pool);
}
