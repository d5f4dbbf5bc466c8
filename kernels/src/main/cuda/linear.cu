// out[t] = weight · in[t] + bias, for 1 to thousands of tokens t, with one order of summation.
//
// Work: 2·T·N·K operations. Bytes: 2·N·K of weights (once where T ≤ 64), 2·T·K in, 2·T·N out (4·T·N of logits), and
// 4·T·N·S there and back where segments of one sum meet in memory.
//
// The weight is the wide operand of m16n8k16 (16 outputs × 16 inputs), tokens are the narrow one (8 at a time): an
// output's sum never sees which or how many tokens it shares an instruction with.
//
// The order. K is cut into S segments of `segment_columns`, a function of N and K alone. Inside a segment one float32
// accumulator takes the products of 16 inputs at a time, ascending, from zero; segments are then added left to right,
// then the bias. Every kernel below computes just this; they differ in who sums which segment:
//
//   linear_8, _16      up to 8 or 16 tokens: 8 warps of a block, each with 16 outputs and one segment. The segments of
//                      a block's outputs meet in shared memory.
//   linear_32, _64     up to 32 or 64 tokens per block: 128 outputs and one segment. The segments meet in global
//                      memory, where the last block to arrive adds them.
//   linear_128         the same with 128 tokens per block; or, where tiles are many, all segments one after the other
//                      in one block. What the segments so far add up to waits in registers.
//   linear_256         256 tokens per block: 128 outputs, all segments one after the other. Registers are full: the
//                      segments so far wait in shared memory.
//
// All stream both operands through shared memory in stages of 32 or 64 inputs. Bytes of weights in flight per block,
// with stages as below: 48 KB for _8, 40 KB for _16, 48 KB for _32 and _64; two such blocks fit on a multiprocessor
// of an H100. At 3.2 TB/s and 1 µs of latency 24 KB per multiprocessor are needed.
//
// A block of linear_128 reads 16 KB of operands from L2, and 48 KB from shared memory, for 256 mma; one of linear_256
// 24 KB and 64 KB for 512: that is why there are two.
#include "packed.h"

namespace weir {

constexpr int THREADS = 256;
constexpr int WARPS = THREADS / WARP;
constexpr int MAX_SEGMENTS = WARPS; // so that a warp of linear_8 has one
constexpr int NARROW_TOKENS = 8;    // of one mma
constexpr float NOTHING = -0.0f;    // adding it leaves every float as it is; adding 0 would not leave -0
constexpr int LINE_WORDS = TILE_COLUMNS / WORD_ELEMENTS;
constexpr int NARROW_BYTES = NARROW_TOKENS * TILE_COLUMNS * 2;
constexpr int GROUP_TOKEN_TILES = 8; // blocks that run together share weights among this many tiles of tokens

struct LinearArguments {
  const uint16_t *in;           // [rows][columns]
  const unsigned char *weight;  // packed.h
  const float *bias;            // [outputs], or null
  void *out;                    // [rows][outputs], of the weight's type, or float
  unsigned char *partials;      // [tiles][segments] sums of a block, where they meet; no meaning between launches
  int32_t *arrivals;            // [tiles], zero between launches
  int64_t rows;
  int64_t outputs;
  int64_t columns;
  int64_t segment_columns;      // a multiple of PACKED_COLUMNS
  int64_t float_out;
  int64_t split;                // linear_128: one segment per block
};

WEIR_DEVICE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }

WEIR_DEVICE int64_t segment_count(const LinearArguments &arguments) {
  return ceil_div(arguments.columns, arguments.segment_columns);
}

// ---- operands: global to shared memory

// Tokens lie in a stage as blocks of [8 tokens][32 inputs], all DEPTH inputs of 8 tokens in a row: the order in which
// `multiply` loads them. These are the token and the input that a word of that begins with.
template <int DEPTH> WEIR_DEVICE int word_token(int word) {
  return word / (NARROW_TOKENS * DEPTH / WORD_ELEMENTS) * NARROW_TOKENS + word / LINE_WORDS % NARROW_TOKENS;
}

template <int DEPTH> WEIR_DEVICE int word_column(int word) {
  return word / (NARROW_TOKENS * LINE_WORDS) % (DEPTH / TILE_COLUMNS) * TILE_COLUMNS +
         word % LINE_WORDS * WORD_ELEMENTS;
}

// `count` words, each `token_step` tokens after the one before and `to_step` bytes on. What does not exist is zero.
WEIR_DEVICE void copy_token_words(const LinearArguments &arguments, unsigned char *to, int64_t token, int64_t column,
                                  int count, int token_step, int to_step) {
  const uint16_t *source = arguments.in + token * arguments.columns + column;
  int64_t tokens = column < arguments.columns ? arguments.rows - token : 0;
  if (arguments.columns % WORD_ELEMENTS == 0) {
#pragma unroll
    for (int i = 0; i < count; i++) {
      bool valid = i * token_step < tokens;
      cp_async_16(to + i * to_step, valid ? source + i * token_step * arguments.columns : arguments.in, valid);
    }
  } else {
#pragma unroll 1
    for (int i = 0; i < count; i++) {
      int64_t elements = i * token_step < tokens ? arguments.columns - column : 0;
      store_16(to + i * to_step, gather_word(source + i * token_step * arguments.columns, elements));
    }
  }
}

template <bool STREAM> WEIR_DEVICE void copy_weight_word(unsigned char *to, const unsigned char *from) {
  if (STREAM) {
    cp_async_16_stream(to, from, true);
  } else {
    cp_async_16(to, from, true);
  }
}

// ---- sums

// What a warp has of TILES_N × 16 outputs by TILES_T × 8 tokens, as mma leaves it: lane 4g+c has output g of tokens 2c
// and 2c+1, then output g+8 of both.
template <int TILES_N, int TILES_T> struct Sums {
  float at[TILES_N][TILES_T][4];

  WEIR_DEVICE void fill(float value) {
#pragma unroll
    for (int i = 0; i < TILES_N * TILES_T; i++) {
      float(&sum)[4] = at[i / TILES_T][i % TILES_T];
      sum[0] = sum[1] = sum[2] = sum[3] = value;
    }
  }

  // Addition of floats commutes: `this + other` and `other + this` are the same bits.
  WEIR_DEVICE void add(const Sums &other) {
#pragma unroll
    for (int i = 0; i < TILES_N * TILES_T * 4; i++) {
      at[i / 4 / TILES_T][i / 4 % TILES_T][i % 4] += other.at[i / 4 / TILES_T][i / 4 % TILES_T][i % 4];
    }
  }

  // To, and from, this thread's places in memory for the sums of a whole block.
  WEIR_DEVICE void keep(unsigned char *memory) const {
#pragma unroll
    for (int i = 0; i < TILES_N * TILES_T; i++) {
      const float(&sum)[4] = at[i / TILES_T][i % TILES_T];
      store_16(memory + (i * THREADS + thread_index()) * 16,
               Words4{bits_of(sum[0]), bits_of(sum[1]), bits_of(sum[2]), bits_of(sum[3])});
    }
  }

  WEIR_DEVICE void add_kept(const unsigned char *memory) {
#pragma unroll
    for (int i = 0; i < TILES_N * TILES_T; i++) {
      float(&sum)[4] = at[i / TILES_T][i % TILES_T];
      Words4 words = load_16(memory + (i * THREADS + thread_index()) * 16);
      sum[0] += float_of(words.x);
      sum[1] += float_of(words.y);
      sum[2] += float_of(words.z);
      sum[3] += float_of(words.w);
    }
  }

  // What `keep` put into global memory, to where `add_kept` finds it in shared memory; a cp.async of this thread's own.
  static WEIR_DEVICE void fetch(unsigned char *shared, const unsigned char *memory) {
#pragma unroll
    for (int i = 0; i < TILES_N * TILES_T; i++) {
      int place = (i * THREADS + thread_index()) * 16;
      cp_async_16(shared + place, memory + place, true);
    }
  }

  // Adds weights · tokens over DEPTH inputs; both point at this lane's first word in shared memory. Calls `meanwhile`
  // while the first words are on their way.
  template <class T, int DEPTH, class Meanwhile>
  WEIR_DEVICE void multiply(const unsigned char *weights, const unsigned char *tokens, Meanwhile meanwhile) {
    constexpr int BLOCKS = DEPTH / TILE_COLUMNS;
#pragma unroll
    for (int block = 0; block < BLOCKS; block++) {
      Words4 upper[TILES_N], lower[TILES_N]; // outputs 0…7 and 8…15
#pragma unroll
      for (int n = 0; n < TILES_N; n++) {
        upper[n] = load_16(weights + (n * BLOCKS + block) * TILE_BYTES);
        lower[n] = load_16(weights + (n * BLOCKS + block) * TILE_BYTES + TILE_BYTES / 2);
      }
      if (block == 0) {
        meanwhile();
      }
#pragma unroll
      for (int t = 0; t < TILES_T; t++) {
        Words4 token = load_16(tokens + (t * BLOCKS + block) * NARROW_BYTES);
#pragma unroll
        for (int n = 0; n < TILES_N; n++) {
          mma<T>(at[n][t], {upper[n].x, lower[n].x, upper[n].y, lower[n].y}, {token.x, token.y});
        }
#pragma unroll
        for (int n = 0; n < TILES_N; n++) {
          mma<T>(at[n][t], {upper[n].z, lower[n].z, upper[n].w, lower[n].w}, {token.z, token.w});
        }
      }
    }
  }
};

// ---- results

template <class T> WEIR_DEVICE void store_output(const LinearArguments &arguments, int64_t token, int64_t output,
                                                 float sum) {
  if (token < arguments.rows && output < arguments.outputs) {
    float value = sum + (arguments.bias == nullptr ? NOTHING : arguments.bias[output]);
    int64_t index = token * arguments.outputs + output;
    if (arguments.float_out) {
      static_cast<float *>(arguments.out)[index] = value;
    } else {
      static_cast<T *>(arguments.out)[index] = round_to<T>(value);
    }
  }
}

template <class Out, int TILES_N, int TILES_T>
WEIR_DEVICE void store_sums_as(const LinearArguments &arguments, const Sums<TILES_N, TILES_T> &sums, int64_t token,
                               int64_t output) {
  token += lane() % 4 * 2;
  output += lane() / 4;
  Out *out = static_cast<Out *>(arguments.out) + token * arguments.outputs + output;
#pragma unroll
  for (int n = 0; n < TILES_N * 2; n++) {
    if (output + n * 8 < arguments.outputs) {
      float bias = arguments.bias == nullptr ? NOTHING : arguments.bias[output + n * 8];
#pragma unroll
      for (int t = 0; t < TILES_T * 2; t++) {
        int beyond = t / 2 * NARROW_TOKENS + t % 2;
        if (token + beyond < arguments.rows) {
          out[beyond * arguments.outputs + n * 8] = round_to<Out>(sums.at[n / 2][t / 2][n % 2 * 2 + t % 2] + bias);
        }
      }
    }
  }
}

template <class T, int TILES_N, int TILES_T>
WEIR_DEVICE void store_sums(const LinearArguments &arguments, const Sums<TILES_N, TILES_T> &sums, int64_t token,
                            int64_t output) {
  if (arguments.float_out) {
    store_sums_as<float>(arguments, sums, token, output);
  } else {
    store_sums_as<T>(arguments, sums, token, output);
  }
}

// ---- up to 16 tokens

// Warps of a block: `slots` segments (a power of two, the last ones may be empty) × 8/slots tiles of 16 outputs.
template <class T, int TOKENS, int DEPTH, int STAGES> struct Few {
  static constexpr int TILES_T = TOKENS / NARROW_TOKENS;
  static constexpr int WEIGHT_BYTES = TILE_ROWS * DEPTH * 2; // of a warp
  static constexpr int TOKEN_BYTES = TOKENS * DEPTH * 2;     // of a segment
  static constexpr int STAGE_BYTES = WARPS * (WEIGHT_BYTES + TOKEN_BYTES);
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;

  static WEIR_DEVICE void copy_stage(const LinearArguments &arguments, unsigned char *stage, int slots,
                                     const unsigned char *weights, bool has_weights, int64_t column) {
    if (has_weights) {
#pragma unroll
      for (int i = 0; i < WEIGHT_BYTES; i += WARP * 16) {
        copy_weight_word<true>(stage + warp() * WEIGHT_BYTES + i + lane() * 16, weights + i + lane() * 16);
      }
    }
    constexpr int WORDS = TOKEN_BYTES / 16;
    for (int i = thread_index(); i < slots * WORDS; i += THREADS) {
      int slot = i / WORDS;
      copy_token_words(arguments, stage + WARPS * WEIGHT_BYTES + i * 16, word_token<DEPTH>(i % WORDS),
                       slot * arguments.segment_columns + column + word_column<DEPTH>(i % WORDS), 1, 0, 0);
    }
  }

  static WEIR_DEVICE void run(const LinearArguments &arguments, unsigned char *shared) {
    int segments = static_cast<int>(segment_count(arguments));
    int slots = segments <= 1 ? 1 : segments <= 2 ? 2 : segments <= 4 ? 4 : MAX_SEGMENTS;
    int block_tiles = WARPS / slots;
    int slot = warp() / block_tiles;
    int tile = warp() % block_tiles;
    int64_t tile_columns = packed_tile_columns(arguments.columns);
    int64_t padded = tile_columns * TILE_COLUMNS;
    int64_t begin = slot * arguments.segment_columns;
    int64_t output = static_cast<int64_t>(block_index()) * block_tiles * TILE_ROWS;
    const unsigned char *weights =
        arguments.weight + ((output / TILE_ROWS + tile) * tile_columns + begin / TILE_COLUMNS) * TILE_BYTES;
    // The last segment may be shorter than the others, and a slot without a segment has nothing left.
    int steps = static_cast<int>(minimum(arguments.segment_columns, padded) / DEPTH);
    int own_steps = static_cast<int>(minimum(arguments.segment_columns, padded - begin) / DEPTH);

    auto copy = [&](int step) {
      if (step < steps) {
        copy_stage(arguments, shared + step % STAGES * STAGE_BYTES, slots,
                   weights + static_cast<int64_t>(step) * WEIGHT_BYTES, step < own_steps,
                   static_cast<int64_t>(step) * DEPTH);
      }
      cp_async_commit();
    };
#pragma unroll
    for (int step = 0; step < STAGES - 1; step++) {
      copy(step);
    }
    Sums<1, TILES_T> sums;
    sums.fill(0);
    for (int step = 0; step < steps; step++) {
      cp_async_wait<STAGES - 2>();
      sync_block();
      auto copy_next = [&] { copy(step + STAGES - 1); };
      if (step < own_steps) {
        const unsigned char *stage = shared + step % STAGES * STAGE_BYTES + lane() * 16;
        sums.template multiply<T, DEPTH>(stage + warp() * WEIGHT_BYTES,
                                         stage + WARPS * WEIGHT_BYTES + slot * TOKEN_BYTES, copy_next);
      } else {
        copy_next();
      }
    }

    sync_block();
    float *met = reinterpret_cast<float *>(shared); // [slots][TOKENS][block_outputs]
    int block_outputs = block_tiles * TILE_ROWS;
#pragma unroll
    for (int t = 0; t < TILES_T; t++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int token = t * NARROW_TOKENS + lane() % 4 * 2 + i % 2;
        int row = tile * TILE_ROWS + lane() / 4 + i / 2 * 8;
        met[(slot * TOKENS + token) * block_outputs + row] = sums.at[0][t][i];
      }
    }
    sync_block();
    for (int i = thread_index(); i < TOKENS * block_outputs; i += THREADS) {
      float sum = met[i];
      for (int segment = 1; segment < segments; segment++) {
        sum += met[segment * TOKENS * block_outputs + i];
      }
      store_output<T>(arguments, i / block_outputs, output + i % block_outputs, sum);
    }
  }
};

// ---- more tokens

enum class Segments {
  ONE,              // per block
  ONE_OR_REGISTERS, // one per block, or all: a launch says
  SHARED_MEMORY     // all
};

// 128 outputs × TOKENS tokens per block; a warp has TILES_N × 16 outputs of TILES_T × 8 tokens.
template <class T, int TOKENS, int TILES_N, int TILES_T, int DEPTH, int STAGES, Segments SEGMENTS> struct Many {
  static constexpr int WARPS_N = PACKED_OUTPUTS / (TILES_N * TILE_ROWS);
  static_assert(WARPS_N * (TOKENS / (TILES_T * NARROW_TOKENS)) == WARPS, "the warps cover the block's tile");
  static constexpr int WEIGHT_BYTES = PACKED_OUTPUTS * DEPTH * 2;
  static constexpr int STAGE_BYTES = WEIGHT_BYTES + TOKENS * DEPTH * 2;
  static constexpr int SUM_BYTES = PACKED_OUTPUTS * TOKENS * 4;
  static constexpr int SHARED_BYTES =
      STAGES * STAGE_BYTES + (SEGMENTS == Segments::SHARED_MEMORY ? SUM_BYTES : 0);

  static WEIR_DEVICE void copy_stage(const LinearArguments &arguments, unsigned char *stage,
                                     const unsigned char *weights, int64_t row_bytes, int64_t token, int64_t column) {
    constexpr int TILE_WORDS = TILE_ROWS * DEPTH * 2 / 16; // of 16 outputs in a stage
#pragma unroll
    for (int word = 0; word < WEIGHT_BYTES / 16; word += THREADS) {
      int i = word + thread_index();
      copy_weight_word<SEGMENTS == Segments::ONE>(stage + i * 16, weights + i / TILE_WORDS * row_bytes +
                                                  column / TILE_COLUMNS * TILE_BYTES + i % TILE_WORDS * 16);
    }
    constexpr int TOKEN_WORDS = TOKENS * DEPTH / WORD_ELEMENTS;
    static_assert(TOKEN_WORDS % THREADS == 0, "each thread has as many words");
    copy_token_words(arguments, stage + WEIGHT_BYTES + thread_index() * 16,
                     token + word_token<DEPTH>(thread_index()), column + word_column<DEPTH>(thread_index()),
                     TOKEN_WORDS / THREADS, THREADS * WORD_ELEMENTS / DEPTH, THREADS * 16);
  }

  // Leaves the whole sums in the block that arrives last, and returns whether this is the one. What the others left in
  // memory is fetched as many at a time as shared memory holds: each fetch waits a microsecond.
  static WEIR_DEVICE bool meet(const LinearArguments &arguments, Sums<TILES_N, TILES_T> &sums, unsigned char *shared,
                               int64_t tile, int segment, int segments) {
    constexpr int ROOM = SHARED_BYTES / SUM_BYTES;
    unsigned char *partials = arguments.partials + tile * segments * SUM_BYTES;
    sums.keep(partials + static_cast<int64_t>(segment) * SUM_BYTES);
    fence_device();
    sync_block();
    int32_t *arrived = reinterpret_cast<int32_t *>(shared);
    if (thread_index() == 0) {
      *arrived = atomic_add(arguments.arrivals + tile, 1);
    }
    sync_block();
    if (*arrived != segments - 1) {
      return false;
    }
    sync_block();
    fence_device();
    Sums<TILES_N, TILES_T> total;
    total.fill(NOTHING);
    int others = segments - 1;
    for (int first = 0; first < others; first += ROOM) {
      int last = static_cast<int>(minimum(first + ROOM, others));
      for (int other = first; other < last; other++) {
        int from = other < segment ? other : other + 1;
        Sums<TILES_N, TILES_T>::fetch(shared + (other - first) * SUM_BYTES,
                                      partials + static_cast<int64_t>(from) * SUM_BYTES);
      }
      cp_async_commit();
      cp_async_wait<0>();
      for (int other = first; other < last; other++) {
        if (other == segment) {
          total.add(sums);
        }
        total.add_kept(shared + (other - first) * SUM_BYTES);
      }
    }
    if (segment == others) {
      total.add(sums);
    }
    sums = total;
    if (thread_index() == 0) {
      arguments.arrivals[tile] = 0; // for the next launch
    }
    return true;
  }

  static WEIR_DEVICE void run(const LinearArguments &arguments, unsigned char *shared) {
    int token_tiles = static_cast<int>(ceil_div(arguments.rows, TOKENS));
    int output_tiles = static_cast<int>(ceil_div(arguments.outputs, PACKED_OUTPUTS));
    int group = block_index() / (GROUP_TOKEN_TILES * output_tiles);
    int place = block_index() % (GROUP_TOKEN_TILES * output_tiles);
    int width = static_cast<int>(minimum(token_tiles - group * GROUP_TOKEN_TILES, GROUP_TOKEN_TILES));
    int64_t token = static_cast<int64_t>(group * GROUP_TOKEN_TILES + place % width) * TOKENS;
    int64_t output = static_cast<int64_t>(place / width) * PACKED_OUTPUTS;

    int64_t tile_columns = packed_tile_columns(arguments.columns);
    int64_t row_bytes = tile_columns * TILE_BYTES;
    const unsigned char *weights = arguments.weight + output / TILE_ROWS * row_bytes;
    int all_steps = static_cast<int>(tile_columns * TILE_COLUMNS / DEPTH);
    int segment_steps = static_cast<int>(arguments.segment_columns / DEPTH);
    int segments = static_cast<int>(segment_count(arguments));
    bool split = SEGMENTS == Segments::ONE || (SEGMENTS == Segments::ONE_OR_REGISTERS && arguments.split);
    int first = split ? block_index_y() * segment_steps : 0;
    int last = split ? static_cast<int>(minimum(first + segment_steps, all_steps)) : all_steps;

    auto copy = [&](int step) {
      if (step < last) {
        copy_stage(arguments, shared + (step - first) % STAGES * STAGE_BYTES, weights, row_bytes, token,
                   static_cast<int64_t>(step) * DEPTH);
      }
      cp_async_commit();
    };
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
      copy(first + i);
    }
    Sums<TILES_N, TILES_T> sums, totals;
    unsigned char *kept = shared + STAGES * STAGE_BYTES;
    int warp_n = warp() % WARPS_N * TILES_N;
    int warp_t = warp() / WARPS_N * TILES_T;
    int boundary = first + segment_steps;
    sums.fill(0);
    totals.fill(NOTHING);
    for (int step = first; step < last; step++) {
      if (step == boundary) {
        if (SEGMENTS == Segments::ONE_OR_REGISTERS) {
          totals.add(sums);
        }
        if (SEGMENTS == Segments::SHARED_MEMORY) {
          if (step > segment_steps) {
            sums.add_kept(kept);
          }
          sums.keep(kept);
        }
        sums.fill(0);
        boundary += segment_steps;
      }
      cp_async_wait<STAGES - 2>();
      sync_block();
      const unsigned char *stage = shared + (step - first) % STAGES * STAGE_BYTES + lane() * 16;
      sums.template multiply<T, DEPTH>(stage + warp_n * TILE_ROWS * DEPTH * 2,
                                       stage + WEIGHT_BYTES + warp_t * NARROW_TOKENS * DEPTH * 2,
                                       [&] { copy(step + STAGES - 1); });
    }
    if (segments > 1) {
      if (split) {
        sync_block();
        if (!meet(arguments, sums, shared, block_index(), block_index_y(), segments)) {
          return;
        }
      } else if (SEGMENTS == Segments::ONE_OR_REGISTERS) {
        sums.add(totals);
      } else {
        sums.add_kept(kept);
      }
    }
    store_sums<T>(arguments, sums, token + warp_t * NARROW_TOKENS, output + warp_n * TILE_ROWS);
  }
};

template <class T> using Linear8 = Few<T, 8, 64, 4>;
template <class T> using Linear16 = Few<T, 16, 32, 6>;
template <class T> using Linear32 = Many<T, 32, 2, 2, 64, 4, Segments::ONE>;
template <class T> using Linear64 = Many<T, 64, 2, 4, 64, 4, Segments::ONE>;
template <class T> using Linear128 = Many<T, 128, 4, 4, 32, 4, Segments::ONE_OR_REGISTERS>;
template <class T> using Linear256 = Many<T, 256, 4, 8, 32, 4, Segments::SHARED_MEMORY>;

// blocks: per multiprocessor of an H100, which bounds a thread's registers.
#define LINEAR(tokens, blocks)                                                                                         \
  WEIR_KERNEL(linear_##tokens##_bf16, LinearArguments, THREADS, blocks, (Linear##tokens<bf16>::SHARED_BYTES)) {        \
    WEIR_DYNAMIC_SHARED(shared);                                                                                       \
    Linear##tokens<bf16>::run(arguments, shared);                                                                      \
  }                                                                                                                    \
  WEIR_KERNEL(linear_##tokens##_f16, LinearArguments, THREADS, blocks, (Linear##tokens<f16>::SHARED_BYTES)) {          \
    WEIR_DYNAMIC_SHARED(shared);                                                                                       \
    Linear##tokens<f16>::run(arguments, shared);                                                                       \
  }

LINEAR(8, 2)
LINEAR(16, 2)
LINEAR(32, 2)
LINEAR(64, 2)
LINEAR(128, 1)
LINEAR(256, 1)

} // namespace weir
