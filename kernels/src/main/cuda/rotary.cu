// Norm and rotation of queries and keys, and the cache behind them: what RotaryReference does. A warp takes a head of a
// token, a lane pairs of neighbouring elements, so that all accesses are whole words side by side.
#include "cache.h"

using namespace weir;

constexpr int ROTARY_WARPS = 8;
constexpr int HEADS_PER_WARP = 2; // loaded together, for latency
constexpr int MAX_HEAD_DIM = 256;

// Words (two elements) that a lane may hold: of either half of the rotated elements, and of the others.
constexpr int HALF_WORDS = MAX_HEAD_DIM / 4 / WARP;
constexpr int REST_WORDS = MAX_HEAD_DIM / 2 / WARP;

struct RotaryArguments {
  StepArrays step;
  LayerCache cache;
  unsigned char *qkv;        // [T][(heads + 2 kv_heads) head_dim]
  const float *query_weight; // [head_dim], or null: no norm
  const float *key_weight;
  const float *cosines; // [positions][rotary_dim / 2]
  const float *sines;
  int64_t heads;
  int64_t rotary_dim; // a multiple of 4
  double epsilon;
};

struct alignas(8) Pair {
  float x, y;
};

struct Head {
  Pair first[HALF_WORDS], second[HALF_WORDS], rest[REST_WORDS];
};

template <class T> WEIR_DEVICE Pair load_pair(const unsigned char *row, int word) {
  const uint32_t bits = reinterpret_cast<const uint32_t *>(row)[word];
  return Pair{low<T>(bits), high<T>(bits)};
}

template <class T> WEIR_DEVICE void store_pair(unsigned char *row, int word, Pair pair) {
  reinterpret_cast<uint32_t *>(row)[word] = pack<T>(pair.x, pair.y);
}

WEIR_DEVICE Pair load_floats(const float *row, int word) { return reinterpret_cast<const Pair *>(row)[word]; }

WEIR_DEVICE Pair scaled(Pair pair, float scale, Pair weight) {
  return Pair{pair.x * scale * weight.x, pair.y * scale * weight.y};
}

WEIR_DEVICE float square(Pair pair) { return pair.x * pair.x + pair.y * pair.y; }

// a cos - b sin and b cos + a sin, element by element.
WEIR_DEVICE void rotate(Pair &a, Pair &b, Pair cosine, Pair sine) {
  const Pair before = a;
  a = Pair{a.x * cosine.x - b.x * sine.x, a.y * cosine.y - b.y * sine.y};
  b = Pair{b.x * cosine.x + before.x * sine.x, b.y * cosine.y + before.y * sine.y};
}

// Calls part(word, element of `head`) for this lane's words of a head.
template <class Part>
WEIR_DEVICE void each_word(int half_words, int head_words, Head &head, Part part) {
#pragma unroll
  for (int i = 0; i < HALF_WORDS; i++) {
    const int word = lane() + i * WARP;
    if (word < half_words) {
      part(word, head.first[i]);
      part(word + half_words, head.second[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < REST_WORDS; i++) {
    const int word = 2 * half_words + lane() + i * WARP;
    if (word < head_words) {
      part(word, head.rest[i]);
    }
  }
}

template <class T, class Cache> WEIR_DEVICE void rotate_and_cache(const RotaryArguments &arguments) {
  const StepArrays &step = arguments.step;
  const LayerCache &cache = arguments.cache;
  const int token = block_index();
  if (token >= step.counts[0]) {
    return;
  }
  const int heads = static_cast<int>(arguments.heads);
  const int kv_heads = static_cast<int>(cache.kv_heads);
  const int head_words = static_cast<int>(cache.head_dim / 2);
  const int half_words = static_cast<int>(arguments.rotary_dim / 4);
  const int all_heads = heads + 2 * kv_heads;
  const int64_t head_bytes = cache.head_dim * static_cast<int64_t>(sizeof(T));
  unsigned char *const row = arguments.qkv + token * (all_heads * head_bytes);

  const int position = step.positions[token];
  const int64_t table_row = step.block_table_rows[step.token_slices[token]];
  const int block = step.block_table[table_row * step.block_table_width + position / BLOCK_TOKENS];
  const int64_t slot = position % BLOCK_TOKENS * (cache.head_dim * static_cast<int64_t>(sizeof(Cache)));

  const int first_head = (block_index_y() * ROTARY_WARPS + warp()) * HEADS_PER_WARP;
  Head loaded[HEADS_PER_WARP] = {};
#pragma unroll
  for (int h = 0; h < HEADS_PER_WARP; h++) {
    if (first_head + h < all_heads) {
      const unsigned char *from = row + (first_head + h) * head_bytes;
      each_word(half_words, head_words, loaded[h], [&](int word, Pair &pair) { pair = load_pair<T>(from, word); });
    }
  }

#pragma unroll
  for (int h = 0; h < HEADS_PER_WARP; h++) {
    const int index = first_head + h; // queries, keys, values
    Head &head = loaded[h];
    if (index >= all_heads) {
      return;
    }
    const bool is_value = index >= heads + kv_heads;
    if (!is_value && arguments.query_weight != nullptr) {
      const float *weight = index < heads ? arguments.query_weight : arguments.key_weight;
      float squares = 0;
      each_word(half_words, head_words, head, [&](int, Pair &pair) { squares += square(pair); });
      const float mean = warp_sum(squares) / static_cast<float>(cache.head_dim);
      const float scale = inverse_root(mean + static_cast<float>(arguments.epsilon));
      each_word(half_words, head_words, head,
                [&](int word, Pair &pair) { pair = scaled(pair, scale, load_floats(weight, word)); });
    }
    if (!is_value) {
      const int64_t angles = position * (arguments.rotary_dim / 2);
#pragma unroll
      for (int i = 0; i < HALF_WORDS; i++) {
        const int word = lane() + i * WARP;
        if (word < half_words) {
          rotate(head.first[i], head.second[i], load_floats(arguments.cosines + angles, word),
                 load_floats(arguments.sines + angles, word));
        }
      }
    }
    if (index < heads) {
      unsigned char *const to = row + index * head_bytes;
      each_word(half_words, head_words, head, [&](int word, Pair &pair) { store_pair<T>(to, word, pair); });
    } else {
      unsigned char *const to = slot + (is_value ? values<Cache>(cache, block, index - heads - kv_heads)
                                                 : keys<Cache>(cache, block, index - heads));
      each_word(half_words, head_words, head, [&](int word, Pair &pair) { store_pair<Cache>(to, word, pair); });
    }
  }
}

WEIR_KERNEL(rotate_and_cache_bf16, RotaryArguments, ROTARY_WARPS *WARP, 4, 0) {
  rotate_and_cache<bf16, bf16>(arguments);
}

WEIR_KERNEL(rotate_and_cache_f16, RotaryArguments, ROTARY_WARPS *WARP, 4, 0) {
  rotate_and_cache<f16, f16>(arguments);
}
