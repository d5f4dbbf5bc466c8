// Where the cache keeps keys and values: block after block; in a block, layer after layer; in a layer, the keys' tiles
// of all heads, then the values'. A head's tile is BLOCK_TOKENS rows of head_dim elements.
#pragma once

#include "arguments.h"
#include "vocabulary.h"

namespace weir {

// One layer's cache, as KvArena lays it out.
struct LayerCache {
  unsigned char *memory; // block 0's part of this layer
  int64_t block_bytes;   // from one block's part to the next's
  int64_t kv_heads;
  int64_t head_dim;
};

template <class Element> WEIR_DEVICE int64_t tile_bytes(const LayerCache &cache) {
  return BLOCK_TOKENS * cache.head_dim * static_cast<int64_t>(sizeof(Element));
}

template <class Element> WEIR_DEVICE unsigned char *keys(const LayerCache &cache, int block, int kv_head) {
  return cache.memory + block * cache.block_bytes + kv_head * tile_bytes<Element>(cache);
}

template <class Element> WEIR_DEVICE unsigned char *values(const LayerCache &cache, int block, int kv_head) {
  return keys<Element>(cache, block, kv_head + static_cast<int>(cache.kv_heads));
}

} // namespace weir
