// Ragged paged attention of prefill and decode rows in one launch: online softmax over tiles of 64 positions (Milakov
// and Gimelshein 2018; FlashAttention-2's registers), tensor cores for both products, keys and values through a ring of
// asynchronous copies.
//
// Bits: a row's scores and sums are those of one warp walking tile after tile, m16n8k16 steps in order of elements and
// positions. Where several warps share rows, each computes some columns of the scores, all exchange them, and each
// computes some columns of the output; so no sum is ever cut. A row that sees nothing of a tile multiplies by one and
// adds zero.
#include "attention.h"

namespace weir {

struct AttentionArguments {
  StepArrays step;
  LayerCache cache;
  const unsigned char *queries; // [T][query_columns], of which heads × head_dim are read
  unsigned char *out;           // [T][heads][head_dim]
  int64_t query_columns;
  int64_t heads;
  int64_t window;
  double score_scale; // before the cap, or 1
  double soft_cap;    // 0: none
  double power_scale; // from scores to exponents of 2
  AttentionWork work;
};

struct PrepareArguments {
  StepArrays step;
  AttentionWork work;
  int64_t group; // query heads of a key/value head
  int64_t kv_heads;
  int64_t wide_rows;
  int64_t blocks; // of an attention launch
};

namespace {

constexpr int SCORE_TILES = BLOCK_TOKENS / 8; // an mma is 8 columns wide
constexpr int MAX_STAGES = 6;
constexpr int RESERVED_SHARED_BYTES = 1024; // that the driver takes per block

// What follows from the largest head dim a kernel is compiled for.
template <class Cache, int D> struct Variant {
  static constexpr int BLOCKS = D > 32 ? 2 : 3; // per multiprocessor: by registers
  static constexpr int WIDE_COLUMNS = D > 128 ? 2 : 1;       // warps that share rows
  static constexpr int ROW_BYTES = D * sizeof(Cache);
  static constexpr int STAGE_BYTES = BLOCK_TOKENS * ROW_BYTES; // a tile's keys or its values
  // A tile's queries, and behind them the scores that its warps exchange.
  static constexpr int query_bytes(int columns) { return ATTENTION_WARPS / columns * 16 * D * 2; }
  static constexpr int exchange_bytes(int columns) {
    return columns == 1 ? 0 : ATTENTION_WARPS / columns * 16 * BLOCK_TOKENS * static_cast<int>(sizeof(float));
  }
  static constexpr int WIDE_BYTES = query_bytes(WIDE_COLUMNS) + exchange_bytes(WIDE_COLUMNS);
  static constexpr int NARROW_BYTES = query_bytes(ATTENTION_WARPS) + exchange_bytes(ATTENTION_WARPS);
  static constexpr int ROW_STATE_BYTES = WIDE_BYTES > NARROW_BYTES ? WIDE_BYTES : NARROW_BYTES;
  static constexpr int FITTING =
      (MULTIPROCESSOR_SHARED_BYTES / BLOCKS - RESERVED_SHARED_BYTES - ROW_STATE_BYTES) / STAGE_BYTES;
  static constexpr int STAGES = FITTING < 2 ? 2 : FITTING > MAX_STAGES ? MAX_STAGES : FITTING;
  static constexpr int SHARED_BYTES = ROW_STATE_BYTES + STAGES * STAGE_BYTES;
};

// What a block is at, in shared memory.
struct Job {
  AttentionItem item;
  int32_t list, kv_head, group;
  int32_t first_token, slice_position;
  int32_t first_position, last_position, oldest_position; // of the tile's rows; the oldest that one sees
  int32_t first_segment, last_segment;                    // that the tile needs
  int32_t first_tile, end_tile;                           // of this part
  const int32_t *table;                                   // the slice's row of the block table
  float *memory;          // a state, or of a tile whose segments are kept apart one for each
  int64_t segment_floats; // from one segment's state to the next's; 0: there is one
  int32_t *arrivals;      // of a tile in parts
  int32_t is_last;        // whether this part came last; kept here because a pointer to elsewhere would take registers
};

struct alignas(8) Floats2 {
  float x, y;
};

constexpr float NOTHING = -INFINITY; // the largest score of a row that saw no position

// A finite number to subtract: where nothing was seen all exponents are minus infinity, and any will do.
WEIR_DEVICE float base_of(float largest) { return largest == NOTHING ? 0.0f : largest; }

WEIR_DEVICE float quad_max(float value) {
  value = fmaxf(value, shuffle_xor(value, 1));
  return fmaxf(value, shuffle_xor(value, 2));
}

WEIR_DEVICE float quad_sum(float value) {
  value += shuffle_xor(value, 1);
  return value + shuffle_xor(value, 2);
}

// A softmax-weighted sum under way: a thread's share of rows lane/4 [0] and lane/4 + 8 [1] of its warp's 16.
template <int N> struct State {
  float largest[2]; // times power_scale
  float sum[2];     // over this thread's columns until `close`
  float values[N][4];
};

template <int N> WEIR_DEVICE void clear(State<N> &state) {
#pragma unroll
  for (int h = 0; h < 2; h++) {
    state.largest[h] = NOTHING;
    state.sum[h] = 0;
  }
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      state.values[n][e] = 0;
    }
  }
}

// State in memory: [N + 1][2 halves][threads] pairs, so that each thread finds what it wrote, in whole lines.
template <int N> WEIR_DEVICE Floats2 *stored_pair(float *memory, int n, int h) {
  return reinterpret_cast<Floats2 *>(memory) + (n * 2 + h) * ATTENTION_THREADS + thread_index();
}

template <int N> WEIR_DEVICE void store(const State<N> &state, int rows, float *memory) {
#pragma unroll
  for (int h = 0; h < 2; h++) {
    if (h * 8 + lane() / 4 < rows) {
#pragma unroll
      for (int n = 0; n < N; n++) {
        *stored_pair<N>(memory, n, h) = Floats2{state.values[n][2 * h], state.values[n][2 * h + 1]};
      }
      *stored_pair<N>(memory, N, h) = Floats2{state.largest[h], state.sum[h]};
    }
  }
}

// What `store` left: read where it is used, or ahead of that into registers. The pair behind the values is the weight.
template <int N> struct Stored {
  float *memory;
  WEIR_DEVICE Floats2 operator()(int n, int h) const { return *stored_pair<N>(memory, n, h); }
};

template <int N> struct Loaded {
  Floats2 pairs[N + 1][2];
  WEIR_DEVICE Floats2 operator()(int n, int h) const { return pairs[n][h]; }
};

template <int N> WEIR_DEVICE void load(Loaded<N> &loaded, int rows, float *memory) {
#pragma unroll
  for (int h = 0; h < 2; h++) {
    if (h * 8 + lane() / 4 < rows) {
#pragma unroll
      for (int n = 0; n <= N; n++) {
        loaded.pairs[n][h] = *stored_pair<N>(memory, n, h);
      }
    }
  }
}

// state = earlier · a + later · b, where one of the two is `stored` and the other the state as it is.
template <int N, bool STORED_IS_EARLIER, class Pairs>
WEIR_DEVICE void fold(State<N> &state, int rows, const Pairs &stored) {
#pragma unroll
  for (int h = 0; h < 2; h++) {
    if (h * 8 + lane() / 4 < rows) {
      const Floats2 other = stored(N, h);
      const float largest = fmaxf(state.largest[h], other.x);
      const float base = base_of(largest);
      const float mine = exponential_2(state.largest[h] - base);
      const float theirs = exponential_2(other.x - base);
      const auto folded = [&](float own, float value) {
        return STORED_IS_EARLIER ? value * theirs + own * mine : own * mine + value * theirs;
      };
      state.largest[h] = largest;
      state.sum[h] = folded(state.sum[h], other.y);
#pragma unroll
      for (int n = 0; n < N; n++) {
        const Floats2 pair = stored(n, h);
        state.values[n][2 * h] = folded(state.values[n][2 * h], pair.x);
        state.values[n][2 * h + 1] = folded(state.values[n][2 * h + 1], pair.y);
      }
    }
  }
}

// The 16-byte chunks of a stage's row change places by row inside spans of so many, so that the 8 rows of an ldmatrix lie
// in 8 different bank groups.
template <int D> constexpr int SPAN = D % 64 == 0 ? 8 : 4;

template <int D> WEIR_DEVICE int swizzled(int row, int chunk) {
  return chunk ^ (SPAN<D> == 8 ? row % 8 : row / 2 % 4);
}

// Where the chunk `step` after the one at `offset` lies, if `step` has no bit in common with what `offset` was made of.
// Computed anew for each stage: offsets kept would fill the registers.
template <int D> WEIR_DEVICE int stepped(int offset, int step) {
  return (offset ^ step % SPAN<D> * 16) + step / SPAN<D> * SPAN<D> * 16;
}

template <class T, class Cache, int D, int COLUMNS> class Tile {
  using V = Variant<Cache, D>;
  static constexpr bool IS_NARROW = COLUMNS == ATTENTION_WARPS;
  static constexpr int N = D / 8 / COLUMNS;                // this warp's columns of the output, in eights
  static constexpr int OWN_SCORES = SCORE_TILES / COLUMNS; // of the scores
  static constexpr int QUERY_BYTES = V::query_bytes(COLUMNS);
  static constexpr int CHUNKS = V::ROW_BYTES / 16;
  static constexpr int ELEMENTS = 16 / sizeof(Cache); // of a chunk
  static constexpr bool LOADS_AHEAD = IS_NARROW && D < 96; // registers are left on every architecture
  static constexpr int COPY_ROWS = D == 96 ? 8 : ATTENTION_THREADS / CHUNKS; // that all threads copy at once

  // What is rarely needed stays in memory, `arguments` and `job`: the walk needs the registers.
  const AttentionArguments &arguments;
  const Job &job;
  unsigned char *const queries;
  unsigned char *const exchange;
  unsigned char *const stages;

  State<N> state;

  WEIR_DEVICE int row_group() const { return warp() / COLUMNS; }
  WEIR_DEVICE int column() const { return warp() % COLUMNS; }
  WEIR_DEVICE int row(int h) const { return row_group() * 16 + h * 8 + lane() / 4; }
  WEIR_DEVICE int head_dim() const { return static_cast<int>(arguments.cache.head_dim); }
  WEIR_DEVICE int window() const { return static_cast<int>(arguments.window); }
  WEIR_DEVICE bool apart() const { return job.segment_floats != 0; }
  WEIR_DEVICE bool chained() const { return !IS_NARROW && job.list == CHAINED; }
  WEIR_DEVICE float *memory(int segment) const { return job.memory + segment * job.segment_floats; }

  // Of the slice; rows beyond the tile's repeat its last.
  WEIR_DEVICE int packed_row(int row) const {
    return job.item.first_row + (row < job.item.rows ? row : job.item.rows - 1);
  }

  // Where a row's token and head are: token, and head of all heads.
  WEIR_DEVICE void locate(int row, int64_t &token, int &head) const {
    const int packed = packed_row(row);
    token = job.first_token + packed / job.group;
    head = job.kv_head * job.group + packed % job.group;
  }

public:
  WEIR_DEVICE Tile(const AttentionArguments &arguments, const Job &job, unsigned char *shared)
      : arguments(arguments), job(job), queries(shared), exchange(shared + QUERY_BYTES),
        stages(shared + V::ROW_STATE_BYTES) {}

  // Walks the job's positions, of which a window may leave none.
  WEIR_DEVICE void walk() {
    const int first_tile = job.first_tile;
    if (first_tile >= job.end_tile) {
      return;
    }
    copy_queries();
#pragma unroll 1
    for (int i = 0; i < V::STAGES - 1; i++) {
      copy(first_tile + i / 2, i % 2 != 0, i);
    }
    clear(state);
    int stage = 0;
#pragma unroll 1
    for (int tile = first_tile; tile < job.end_tile; tile++) {
      float scores[SCORE_TILES][4];
      arrive(2 * tile, stage);
      multiply_keys(stage, scores);
      stage = stage + 1 == V::STAGES ? 0 : stage + 1;
      arrive(2 * tile + 1, stage);
      if (COLUMNS > 1) {
        load_scores(scores);
      }
      uint32_t weights[BLOCK_TOKENS / 16][4];
      soften(tile, scores, weights);
      multiply_values(stage, weights);
      stage = stage + 1 == V::STAGES ? 0 : stage + 1;
      if (tile + 1 == job.end_tile || (tile + 1) % SEGMENT_TILES == 0) {
        close(tile / SEGMENT_TILES);
      }
    }
  }

  // The sums of a finished tile become its output.
  WEIR_DEVICE void write() {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      if (row(h) < job.item.rows) {
        int64_t token;
        int head;
        locate(row(h), token, head);
        const float scale = 1.0f / state.sum[h];
        uint32_t *const to = reinterpret_cast<uint32_t *>(
            arguments.out + (token * arguments.heads + head) * head_dim() * static_cast<int64_t>(sizeof(T)));
#pragma unroll
        for (int n = 0; n < N; n++) {
          const int element = (column() * N + n) * 8 + lane() % 4 * 2;
          if (element < head_dim()) {
            to[element / 2] = pack<T>(state.values[n][2 * h] * scale, state.values[n][2 * h + 1] * scale);
          }
        }
      }
    }
  }

  // Folds the states of all segments, which were kept apart, in order; where registers allow, with the next one under way
  // while one is folded.
  WEIR_DEVICE void fold_all() {
    const int rows = job.item.rows - row_group() * 16;
    clear(state);
    if (!LOADS_AHEAD) {
#pragma unroll 1
      for (int segment = job.first_segment; segment <= job.last_segment; segment++) {
        fold<N, false>(state, rows, Stored<N>{memory(segment)});
      }
      return;
    }
    Loaded<N> next;
    load(next, rows, memory(job.first_segment));
#pragma unroll 1
    for (int segment = job.first_segment; segment <= job.last_segment; segment++) {
      const Loaded<N> loaded = next;
      if (segment < job.last_segment) {
        load(next, rows, memory(segment + 1));
      }
      fold<N, false>(state, rows, loaded);
    }
  }

private:
  // Of the same group as the first copy of keys.
  WEIR_DEVICE void copy_queries() {
    constexpr int QUERY_CHUNKS = D / 8;
#pragma unroll 1
    for (int i = thread_index(); i < ATTENTION_WARPS / COLUMNS * 16 * QUERY_CHUNKS; i += ATTENTION_THREADS) {
      const int row = i / QUERY_CHUNKS;
      const int chunk = i % QUERY_CHUNKS;
      int64_t token;
      int head;
      locate(row, token, head);
      const int64_t element = token * arguments.query_columns + head * head_dim() + chunk * 8;
      cp_async_16(queries + row * D * 2 + swizzled<D>(row, chunk) * 16, arguments.queries + element * 2,
                  chunk * 8 < head_dim());
    }
  }

  // The copy of `part` (keys and values of tile after tile) has landed, everyone is done with the stage before it, and a
  // copy into that one is under way.
  WEIR_DEVICE void arrive(int part, int stage) {
    cp_async_wait<V::STAGES - 2>();
    sync_block();
    const int next = part + V::STAGES - 1;
    copy(next / 2, next % 2 != 0, stage == 0 ? V::STAGES - 1 : stage - 1);
  }

  // Slots that no row of the tile sees may hold anything, a NaN too: they are read as zeros.
  WEIR_DEVICE void copy(int tile, bool is_values, int stage) {
    if (tile < job.end_tile) {
      const int thread_row = thread_index() / CHUNKS;
      const int chunk = thread_index() % CHUNKS;
      const int element = chunk * ELEMENTS;
      const int first_row = element < head_dim() ? job.oldest_position - tile * BLOCK_TOKENS : BLOCK_TOKENS;
      const int last_row = job.last_position - tile * BLOCK_TOKENS;
      const int row_bytes = head_dim() * static_cast<int>(sizeof(Cache));
      const int block = job.table[tile];
      const unsigned char *from = (is_values ? values<Cache>(arguments.cache, block, job.kv_head)
                                             : keys<Cache>(arguments.cache, block, job.kv_head)) +
                                  thread_row * row_bytes + chunk * 16;
      unsigned char *const to = stages + stage * V::STAGE_BYTES;
      if (thread_row < COPY_ROWS) {
#pragma unroll
        for (int i = 0; i < BLOCK_TOKENS; i += COPY_ROWS) {
          const int row = thread_row + i;
          cp_async_16(to + row * V::ROW_BYTES + swizzled<D>(row, chunk) * 16, from,
                      row >= first_row && row <= last_row);
          from += COPY_ROWS * row_bytes;
        }
      }
    }
    cp_async_commit();
  }

  WEIR_DEVICE void multiply_keys(int stage, float (&scores)[SCORE_TILES][4]) {
#pragma unroll
    for (int j = 0; j < OWN_SCORES; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        scores[j][e] = 0;
      }
    }
    const int token = column() * OWN_SCORES * 8 + lane() % 8;
    const int offset = stage * V::STAGE_BYTES + token * V::ROW_BYTES + swizzled<D>(token, lane() / 8) * 16;
    const int query_row = row_group() * 16 + lane() % 16;
    const int query_offset = query_row * D * 2 + swizzled<D>(query_row, lane() / 16) * 16;
#pragma unroll
    for (int k = 0; k < D / 32; k++) {
      uint32_t a[2][4];
      ldmatrix_x4(a[0], queries + stepped<D>(query_offset, k * 4));
      ldmatrix_x4(a[1], queries + stepped<D>(query_offset, k * 4 + 2));
#pragma unroll
      for (int j = 0; j < OWN_SCORES; j++) {
        uint32_t b[4];
        ldmatrix_x4(b, stages + stepped<D>(offset, k * 4) + j * 8 * V::ROW_BYTES);
        mma<T>(scores[j], a[0], {b[0], b[1]});
        mma<T>(scores[j], a[1], {b[2], b[3]});
      }
    }
    if (COLUMNS > 1) {
#pragma unroll
      for (int j = 0; j < OWN_SCORES; j++) {
        store_16(exchanged(column() * OWN_SCORES + j), Words4{bits_of(scores[j][0]), bits_of(scores[j][1]),
                                                              bits_of(scores[j][2]), bits_of(scores[j][3])});
      }
    }
  }

  WEIR_DEVICE void load_scores(float (&scores)[SCORE_TILES][4]) {
#pragma unroll
    for (int j = 0; j < SCORE_TILES; j++) {
      const Words4 words = load_16(exchanged(j));
      scores[j][0] = float_of(words.x);
      scores[j][1] = float_of(words.y);
      scores[j][2] = float_of(words.z);
      scores[j][3] = float_of(words.w);
    }
  }

  WEIR_DEVICE unsigned char *exchanged(int score_tile) {
    return exchange + ((row_group() * SCORE_TILES + score_tile) * WARP + lane()) * sizeof(Words4);
  }

  // Scores become weights relative to each row's largest so far, and the state is scaled to that.
  WEIR_DEVICE void soften(int tile, float (&scores)[SCORE_TILES][4], uint32_t (&weights)[BLOCK_TOKENS / 16][4]) {
    if (arguments.soft_cap != 0) {
      const float scale = static_cast<float>(arguments.score_scale);
#pragma unroll
      for (int j = 0; j < SCORE_TILES; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          scores[j][e] = tangent_h(scores[j][e] * scale);
        }
      }
    }
    const int start = tile * BLOCK_TOKENS;
    if (start + BLOCK_TOKENS - 1 > job.first_position || start <= job.last_position - window()) {
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const int last = job.slice_position + packed_row(row(h)) / job.group - start; // the column of the row's own position
        const int first = last - window();                                       // behind which its window begins
#pragma unroll
        for (int j = 0; j < SCORE_TILES; j++) {
#pragma unroll
          for (int e = 2 * h; e < 2 * h + 2; e++) {
            const int column = j * 8 + lane() % 4 * 2 + e % 2;
            scores[j][e] = column <= last && column > first ? scores[j][e] : NOTHING;
          }
        }
      }
    }
    const float power = static_cast<float>(arguments.power_scale);
    float correction[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float largest = NOTHING;
#pragma unroll
      for (int j = 0; j < SCORE_TILES; j++) {
        largest = fmaxf(largest, fmaxf(scores[j][2 * h], scores[j][2 * h + 1]));
      }
      largest = fmaxf(state.largest[h], quad_max(largest) * power);
      const float base = base_of(largest);
      correction[h] = exponential_2(state.largest[h] - base);
      state.largest[h] = largest;
      float sum = state.sum[h] * correction[h];
#pragma unroll
      for (int j = 0; j < SCORE_TILES; j++) {
#pragma unroll
        for (int e = 2 * h; e < 2 * h + 2; e++) {
          scores[j][e] = exponential_2(fused(scores[j][e], power, -base));
          sum += scores[j][e];
        }
      }
      state.sum[h] = sum;
    }
    // Most tiles hold no row's largest score, and a product with one changes nothing.
    if (ballot(correction[0] != 1 || correction[1] != 1) != 0) {
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          state.values[n][e] *= correction[e / 2];
        }
      }
    }
#pragma unroll
    for (int j = 0; j < SCORE_TILES; j++) {
      weights[j / 2][j % 2 * 2] = pack<T>(scores[j][0], scores[j][1]);
      weights[j / 2][j % 2 * 2 + 1] = pack<T>(scores[j][2], scores[j][3]);
    }
  }

  WEIR_DEVICE void multiply_values(int stage, const uint32_t (&weights)[BLOCK_TOKENS / 16][4]) {
    constexpr bool STEPS = (N & (N - 1)) == 0;
    const int first = column() * N;
    const int offset = stage * V::STAGE_BYTES + lane() * V::ROW_BYTES;
    const int stepping = offset + swizzled<D>(lane(), first) * 16;
#pragma unroll
    for (int k = 0; k < BLOCK_TOKENS / 32; k++) {
#pragma unroll
      for (int n = 0; n < N; n++) {
        if (n % 4 == 0) {
          sync_warp(); // keeps fragments from being loaded so far ahead that registers spill
        }
        uint32_t b[4];
        ldmatrix_x4_trans(b, stages + (STEPS ? stepped<D>(stepping, n) : offset + swizzled<D>(lane(), first + n) * 16) +
                                 k * 32 * V::ROW_BYTES);
        mma<T>(state.values[n], weights[2 * k], {b[0], b[1]});
        mma<T>(state.values[n], weights[2 * k + 1], {b[2], b[3]});
      }
    }
  }

  // A segment ends, and its state goes where it is folded: to a place of its own where segments are kept apart, else behind
  // those before. In a chain other blocks compute these; whoever folds before this one was handed out before, so it is
  // at work, and the wait ends. The tile's last state stays where it is.
  WEIR_DEVICE void close(int segment) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      state.sum[h] = quad_sum(state.sum[h]);
    }
    const bool last = segment == job.last_segment;
    const int turn = segment - job.first_segment;
    const int rows = job.item.rows - row_group() * 16;
    if (chained()) {
      if (thread_index() == 0) {
        while (atomic_add(job.arrivals, 0) != turn) {
        }
        fence_device();
      }
      sync_block();
    }
    if (!apart() && turn > 0) {
      fold<N, true>(state, rows, Stored<N>{memory(segment)});
    }
    if (apart() || !last) {
      store(state, rows, memory(segment));
    }
    if (chained()) {
      fence_device();
      sync_block();
      if (thread_index() == 0) {
        atomic_add(job.arrivals, last ? -turn : 1);
      }
    }
    if (!last) {
      clear(state);
    }
  }
};

// The block that comes last sees all that the others wrote before they came. All threads call; all get the answer.
WEIR_DEVICE bool arrives_last(int32_t *arrivals, int expected, int32_t *answer) {
  fence_device();
  sync_block();
  if (thread_index() == 0) {
    *answer = atomic_add(arrivals, 1) == expected - 1;
    if (*answer != 0) {
      atomic_add(arrivals, -expected);
    }
    fence_device();
  }
  sync_block();
  return *answer != 0;
}

WEIR_DEVICE void reset(int32_t *counter) { atomic_add(counter, -atomic_add(counter, 0)); }

template <class T, class Cache, int D, int COLUMNS>
WEIR_DEVICE void attend(const AttentionArguments &arguments, Job &job, unsigned char *shared) {
  Tile<T, Cache, D, COLUMNS> tile(arguments, job, shared);
  tile.walk();
  if (job.segment_floats != 0) {
    if (!arrives_last(job.arrivals, job.item.parts, &job.is_last)) {
      return;
    }
    tile.fold_all();
  }
  if (job.list != CHAINED || job.end_tile > job.last_segment * SEGMENT_TILES) {
    tile.write();
  }
}

// A part of the work: which list, item, head, and segment of a chained tile. item < 0: none is left.
struct Part {
  int list, item, kv_head, segment;
};

// Half of the blocks begin with prefill, half with decode, so that a multiprocessor has both to do: one wants its tensor
// cores, the other its memory.
WEIR_DEVICE Part next_part(const AttentionWork &work, int kv_heads, int32_t &lists_done) {
  const int first = block_index() < grid_size() / 2 ? CHAINED : NARROW;
  for (; lists_done < ATTENTION_LISTS; lists_done++) {
    const int list = (first + lists_done) % ATTENTION_LISTS;
    const int count = work.counters[COUNT + list];
    const int rounds = list == CHAINED ? work.counters[CHAIN] : 1;
    const int part = count == 0 ? 0 : atomic_add(work.counters + CURSOR + list, 1);
    if (part < count * kv_heads * rounds) {
      const int item = part / kv_heads % count;
      // Later tiles of a slice are longer: they come first.
      return Part{list, list == WIDE ? count - 1 - item : item, part % kv_heads, part / kv_heads / count};
    }
  }
  return Part{0, -1, 0, 0};
}

// What a part comes down to.
WEIR_DEVICE void assign(const AttentionArguments &arguments, const Part &part, Job &job) {
  const StepArrays &step = arguments.step;
  const AttentionWork &work = arguments.work;
  const AttentionItem item = work.items[part.list * work.item_capacity + part.item];
  const int group = static_cast<int>(arguments.heads) / static_cast<int>(arguments.cache.kv_heads);
  const int window = static_cast<int>(arguments.window);
  const int first_token = step.slice_offsets[item.slice];
  const int slice_position = step.positions[first_token];
  const int first_position = slice_position + item.first_row / group;
  const int last_position = slice_position + (item.first_row + item.rows - 1) / group;
  const int oldest_position = first_position < window ? 0 : first_position - window + 1;
  const int last_segment = last_position / SEGMENT_TOKENS;
  job.item = item;
  job.list = part.list;
  job.kv_head = part.kv_head;
  job.group = group;
  job.first_token = first_token;
  job.slice_position = slice_position;
  job.first_position = first_position;
  job.last_position = last_position;
  job.oldest_position = oldest_position;
  job.first_segment = oldest_position / SEGMENT_TOKENS;
  job.last_segment = last_segment;
  const int first_tile = SEGMENT_TILES * (part.list == CHAINED ? part.segment : item.first_segment);
  const int end_tile = SEGMENT_TILES * (part.list == CHAINED ? part.segment + 1 : item.end_segment);
  job.first_tile = first_tile > oldest_position / BLOCK_TOKENS ? first_tile : oldest_position / BLOCK_TOKENS;
  job.end_tile = end_tile < last_position / BLOCK_TOKENS + 1 ? end_tile : last_position / BLOCK_TOKENS + 1;
  job.table = step.block_table + step.block_table_rows[item.slice] * step.block_table_width;
  const int64_t state_slots = part.list == NARROW ? 1 : work.wide_slots;
  job.segment_floats = 0;
  if (item.parts > 1) {
    const bool apart = part.list != CHAINED;
    const int64_t slot = item.slot + part.kv_head * (apart ? (last_segment + 1) * state_slots : state_slots);
    job.segment_floats = apart ? state_slots * work.slot_floats : 0;
    job.memory = work.partials + slot * work.slot_floats;
    job.arrivals = work.arrivals + slot;
  } else {
    job.memory = work.running + block_index() * work.wide_slots * work.slot_floats;
    job.arrivals = nullptr;
  }
}

template <class T, class Cache, int D>
WEIR_DEVICE void attention(const AttentionArguments &arguments, unsigned char *shared, Job &job, int32_t *words) {
  const AttentionWork &work = arguments.work;
  enum { FOUND, LISTS_DONE };
  if (thread_index() == 0) {
    words[LISTS_DONE] = 0;
  }
  while (true) {
    if (thread_index() == 0) {
      const Part part = next_part(work, static_cast<int>(arguments.cache.kv_heads), words[LISTS_DONE]);
      words[FOUND] = part.item >= 0;
      if (part.item >= 0) {
        assign(arguments, part, job);
      }
    }
    sync_block(); // and everyone is done with the stages of the part before
    if (words[FOUND] == 0) {
      break;
    }
    if (job.list == NARROW) {
      attend<T, Cache, D, ATTENTION_WARPS>(arguments, job, shared);
    } else if (job.list == WIDE || job.first_tile < job.end_tile) {
      attend<T, Cache, D, Variant<Cache, D>::WIDE_COLUMNS>(arguments, job, shared);
    }
    sync_block(); // everyone is done with the job
  }
  if (thread_index() == 0 && atomic_add(work.counters + FINISHED, 1) == grid_size() - 1) {
    for (int list = 0; list < ATTENTION_LISTS; list++) {
      reset(work.counters + CURSOR + list);
    }
    reset(work.counters + FINISHED);
  }
}

constexpr int PREPARE_THREADS = 512;
constexpr int PREPARE_WARPS = PREPARE_THREADS / WARP;

// Calls emit(slice, first_row, rows, last_position) for the tiles that begin with this thread's tokens.
template <class Emit> WEIR_DEVICE void each_tile(const PrepareArguments &arguments, Emit emit) {
  const StepArrays &step = arguments.step;
  const int tokens = step.counts[0];
  const int group = static_cast<int>(arguments.group);
  const int wide = static_cast<int>(arguments.wide_rows);
  for (int token = thread_index(); token < tokens; token += PREPARE_THREADS) {
    const int slice = step.token_slices[token];
    const int first_token = step.slice_offsets[slice];
    const int slice_rows = (step.slice_offsets[slice + 1] - first_token) * group;
    const int row = (token - first_token) * group;
    for (int first = (row + wide - 1) / wide * wide; first < row + group; first += wide) {
      const int rows = slice_rows - first < wide ? slice_rows - first : wide;
      emit(slice, first, rows, step.positions[first_token] + (first + rows - 1) / group);
    }
  }
}

// All threads call; all get the answer. `words`: one per warp.
template <class Fold> WEIR_DEVICE int32_t block_fold(int32_t value, int32_t *words, Fold fold) {
  for (int mask = WARP / 2; mask > 0; mask /= 2) {
    value = fold(value, shuffle_xor(value, mask));
  }
  if (lane() == 0) {
    words[warp()] = value;
  }
  sync_block();
  value = words[0];
  for (int i = 1; i < PREPARE_WARPS; i++) {
    value = fold(value, words[i]);
  }
  sync_block();
  return value;
}

// Whether there are so many slots left; then they begin at `slot`.
WEIR_DEVICE bool take_slots(const AttentionWork &work, int64_t slots, int &slot) {
  const int wanted = static_cast<int>(slots);
  slot = atomic_add(work.counters + SLOTS, wanted);
  if (slot <= work.slots - wanted) {
    return true;
  }
  atomic_add(work.counters + SLOTS, -wanted); // there may be enough for another tile
  return false;
}

// Adds a tile to its list, in parts of about `target` segments if it is long and there are slots for its states. Returns
// the segments of a chained tile, else 0.
WEIR_DEVICE int add_tile(const PrepareArguments &arguments, int target, int slice, int first, int rows,
                         int last_position) {
  const AttentionWork &work = arguments.work;
  const bool narrow = rows <= NARROW_ROWS;
  const int segments = last_position / SEGMENT_TOKENS + 1;
  const int64_t state_slots = arguments.kv_heads * (narrow ? 1 : work.wide_slots);
  int list = narrow ? NARROW : WIDE;
  int parts = (segments + target / 2) / target;
  int slot = 0;
  if (parts <= 1) {
    parts = 1;
  } else if (!((narrow || target <= MOST_APART) && take_slots(work, segments * state_slots, slot))) {
    if (!narrow && take_slots(work, state_slots, slot)) {
      list = CHAINED;
    } else {
      parts = 1;
    }
  }
  const int items = list == CHAINED ? 1 : parts;
  AttentionItem *const item = work.items + list * work.item_capacity + atomic_add(work.counters + COUNT + list, items);
  for (int i = 0; i < items; i++) {
    item[i] = AttentionItem{slice, first, rows, i * segments / items, (i + 1) * segments / items, parts, slot, 0};
  }
  return list == CHAINED ? segments : 0;
}

} // namespace

// One block. Shares out the step: parts of like length, PARTS_PER_BLOCK for each block of an attention launch.
WEIR_KERNEL(attention_prepare, PrepareArguments, PREPARE_THREADS, 1, 0) {
  WEIR_SHARED(int32_t, words, PREPARE_WARPS);
  int32_t *const counters = arguments.work.counters;
  if (thread_index() < ATTENTION_LISTS) {
    counters[COUNT + thread_index()] = 0;
  }
  if (thread_index() == 0) {
    counters[SLOTS] = 0;
  }
  int32_t tiles = 0;
  each_tile(arguments, [&](int, int, int, int last_position) { tiles += last_position / BLOCK_TOKENS + 1; });
  tiles = block_fold(tiles, words, [](int32_t a, int32_t b) { return a + b; });
  const int share = tiles / static_cast<int>(arguments.blocks * PARTS_PER_BLOCK) * static_cast<int>(arguments.kv_heads);
  const int target = share < SEGMENT_TILES ? 1 : share / SEGMENT_TILES;
  int32_t chain = 0;
  each_tile(arguments, [&](int slice, int first, int rows, int last_position) {
    const int segments = add_tile(arguments, target, slice, first, rows, last_position);
    chain = segments > chain ? segments : chain;
  });
  chain = block_fold(chain, words, [](int32_t a, int32_t b) { return a > b ? a : b; });
  if (thread_index() == 0) {
    counters[CHAIN] = chain;
  }
}

#define WEIR_ATTENTION(type, dim)                                                                                  \
  WEIR_KERNEL(attention_##type##_##dim, AttentionArguments, ATTENTION_THREADS, (Variant<type, dim>::BLOCKS),        \
              (Variant<type, dim>::SHARED_BYTES)) {                                                                 \
    WEIR_DYNAMIC_SHARED(shared);                                                                                    \
    WEIR_SHARED(Job, job, 1);                                                                                       \
    WEIR_SHARED(int32_t, words, 2);                                                                                 \
    attention<type, type, dim>(arguments, shared, *job, words);                                                     \
  }

WEIR_ATTENTION(bf16, 32)
WEIR_ATTENTION(bf16, 64)
WEIR_ATTENTION(bf16, 96)
WEIR_ATTENTION(bf16, 128)
WEIR_ATTENTION(bf16, 256)
WEIR_ATTENTION(f16, 32)
WEIR_ATTENTION(f16, 64)
WEIR_ATTENTION(f16, 96)
WEIR_ATTENTION(f16, 128)
WEIR_ATTENTION(f16, 256)

} // namespace weir
