// Whole blocks from one arena (or a buffer of blocks) to another, pair after pair.
#include "vocabulary.h"

using namespace weir;

// What a thread keeps in flight, and the threads of a block.
constexpr int COPY_WORDS = 4;
constexpr int COPY_THREADS = 256;

struct CopyArguments {
  const unsigned char *source;
  unsigned char *destination;
  const int32_t *pairs; // [count][2]: source block, destination block
  int64_t count;
  int64_t block_bytes; // a multiple of 16
};

// A thread owns some bytes of every block and carries them through all pairs in order. So a pair may read what an
// earlier one wrote, and no thread waits for another.
WEIR_KERNEL(copy_blocks, CopyArguments, COPY_THREADS, 4, 0) {
  const int64_t stride = static_cast<int64_t>(grid_size()) * COPY_THREADS * sizeof(Words4);
  const int64_t first = (static_cast<int64_t>(block_index()) * COPY_THREADS + thread_index()) * sizeof(Words4);
  for (int64_t at = first; at < arguments.block_bytes; at += COPY_WORDS * stride) {
    for (int64_t pair = 0; pair < arguments.count; pair++) {
      const unsigned char *from = arguments.source + arguments.pairs[2 * pair] * arguments.block_bytes;
      unsigned char *to = arguments.destination + arguments.pairs[2 * pair + 1] * arguments.block_bytes;
      Words4 words[COPY_WORDS];
#pragma unroll
      for (int i = 0; i < COPY_WORDS; i++) {
        if (at + i * stride < arguments.block_bytes) {
          words[i] = load_16(from + at + i * stride);
        }
      }
#pragma unroll
      for (int i = 0; i < COPY_WORDS; i++) {
        if (at + i * stride < arguments.block_bytes) {
          store_16(to + at + i * stride, words[i]);
        }
      }
    }
  }
}
