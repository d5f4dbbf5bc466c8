// The core's own view of a running launch: threads, warps, a block. One block runs at a time, all of its threads on
// the host thread that called weir_run; so nothing here needs a lock.
#pragma once

#include "fiber.h"
#include "launch.h"
#include "vocabulary.h"

#include <vector>

namespace weir::emulator {

constexpr uint32_t ALL = 0xFFFFFFFFu;
constexpr unsigned char POISON = 0xFF; // NaN in every float format, -1 as an integer
constexpr size_t MAX_THREADS = 1024;
constexpr size_t MAX_WARPS = MAX_THREADS / WARP;
constexpr size_t SHARED_BYTES = 227 * 1024;       // the most that any supported GPU gives a block (sm_90, sm_100)
constexpr size_t STATIC_SHARED_BYTES = 48 * 1024; // the most that declarations may take
constexpr size_t SHARED_GAP = 256;                // between two declarations, so that an overrun is seen

/* What a thread waits for. */
enum class Wait : uint8_t {
  NOTHING,
  SYNC_BLOCK,
  SYNC_WARP,
  SHUFFLE,
  SHUFFLE_XOR,
  WARP_SUM,
  WARP_MAX,
  BALLOT,
  LDMATRIX_X4,
  LDMATRIX_X4_TRANS,
  LDMATRIX_X2,
  LDMATRIX_X2_TRANS,
  MMA_BF16,
  MMA_F16,
  EXIT, // it has left the kernel
};

const char *name_of(Wait wait);

/* A cp.async between its issue and its wait. */
struct Copy {
  unsigned char *to;
  const unsigned char *from;
  uint32_t group;
  bool valid;
  bool landed; // early: the bytes are there, but nobody may rely on it
  const void *site;
};

struct Warp;

struct Thread {
  Fiber fiber;
  Warp *warp;
  int index;
  Wait wait;
  const void *site; // the address in the kernel that it waits at

  // Operands of the collective it waits in, then its result.
  uint32_t value;
  int32_t source;
  const unsigned char *row;
  uint32_t a[4], b[2];
  float d[4];

  std::vector<Copy> copies; // oldest first
  uint32_t group;           // the one that copies are now added to
};

struct Warp {
  Thread *threads;
  int index;
  uint32_t alive, runnable, collective, barrier; // lanes
  uint32_t tick;                                 // of its last barrier of either kind (see checks.h)
};

struct Declared {
  const SharedArray *array; // null: the dynamic part
  size_t begin, bytes;
};

struct Block {
  const weir_launch *launch = nullptr;
  const void *arguments = nullptr;
  uint32_t index[3] = {};
  uint32_t threads_count = 0, warps_count = 0;
  uint32_t runnable_warps = 0;
  uint64_t random = 0;

  alignas(128) unsigned char shared[SHARED_BYTES + 64 * SHARED_GAP];
  std::vector<Declared> declared;
  size_t shared_used = 0;   // bytes of `shared` given out, gaps included
  size_t static_bytes = 0;  // declared

  Thread threads[MAX_THREADS];
  Warp warps[MAX_WARPS];
  Stacks stacks;
  Fiber home; // weir_run's own stack

  bool failed = false;
  char *report = nullptr;
  uint64_t report_bytes = 0;
};

extern Block *block;
extern Thread *current;

inline uint64_t random_bits() {
  uint64_t z = (block->random += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Arrives at a collective of the warp; the lane that arrives last does `work` for all. Returns when it is done. */
void rendezvous(Wait kind, void (*work)(Warp &), const void *site);

/* Ends the launch with a report of what the current thread did at `site`. */
[[noreturn]] void fail(const void *site, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "file.cu:12", or the library's offset where the line cannot be had. */
void describe_site(const void *site, char *text, size_t bytes);

/* The copy's bytes arrive. */
void land(Copy &copy);

void reset_copies(Thread &thread);

} // namespace weir::emulator
