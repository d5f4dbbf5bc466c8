// A thread of this library, and its clock.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#define WEIR_NANOSECONDS 1000000000LL // in a second

// Starts a thread, named for debuggers and `top`; an errno if there is none to be had. It takes no signals: those belong
// to the process that embeds us.
static inline int weir_start_thread(pthread_t *handle, const char *name, void *(*run)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(handle, NULL, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!failed) pthread_setname_np(*handle, name);
  return failed;
}

// Nanoseconds of a clock that only goes forward.
static inline int64_t weir_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * WEIR_NANOSECONDS + time.tv_nsec;
}
