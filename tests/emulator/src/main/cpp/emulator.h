// The core's own view of a running launch: its blocks, their warps and threads. All run on the host thread that called
// weir_run, one at a time; so nothing here needs a lock. A few blocks are resident and take turns where they could meet,
// at atomic operations on device memory; the others begin when one of these has ended.
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
  size_t slot;                  // of the resident blocks
  bool resident = false;        // it has begun and not ended
  Thread *interrupted = nullptr; // who goes on when it is its turn again
  uint32_t index[3] = {};
  uint32_t runnable_warps = 0;

  // Of checks.h: which of all blocks ever run this is, and ticks of its start and of its last barrier.
  uint32_t serial = 0, first_tick = 0, barrier_tick = 0;

  alignas(128) unsigned char shared[SHARED_BYTES + 64 * SHARED_GAP];
  std::vector<Declared> declared;
  size_t shared_used = sizeof shared; // bytes of `shared` given out, gaps included
  size_t static_bytes = 0;            // declared
  const Declared *recent = nullptr;   // that was last accessed

  Thread threads[MAX_THREADS];
  Warp warps[MAX_WARPS];
  Stacks stacks;
};

constexpr size_t MAX_RESIDENT = 3;

struct Launch {
  const weir_launch *given = nullptr;
  const void *arguments = nullptr;
  uint32_t threads = 0, warps = 0; // of a block
  std::vector<uint32_t> order;     // of blocks, where it is random
  uint64_t begun = 0, blocks = 0;
  uint64_t random = 0;
  uint64_t idle_atomics = 0; // one after the other, by any thread, that changed nothing
  Fiber home;                // weir_run's own stack
  bool failed = false;
  char *report = nullptr;
  uint64_t report_bytes = 0;
};

extern Launch launch;
extern Block *residents[MAX_RESIDENT];
extern Block *block;    // whose turn it is
extern Thread *current; // and which of its threads runs

inline uint64_t random_bits() {
  uint64_t z = (launch.random += 0x9E3779B97F4A7C15u);
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
