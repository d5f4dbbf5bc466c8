// The work of an attention launch: a flat list that is made once per step and walked by every layer's launch.
//
// The queries of one key/value head are rows: row r of a slice is token r / group, head r % group of its group. A tile is
// a range of a slice's rows; a wide tile is for prefill, a narrow one for decode. A launch works on tile × kv head; long
// ones are split at segment boundaries. Which block does what, and in how many parts, shows in no bit.
#pragma once

#include "cache.h"

namespace weir {

constexpr int ATTENTION_WARPS = 4;
constexpr int ATTENTION_THREADS = ATTENTION_WARPS * WARP;
constexpr int NARROW_ROWS = 16;
constexpr int SEGMENT_TILES = SEGMENT_TOKENS / BLOCK_TOKENS;

// Parts that a block should find: more balance better, fewer start less often.
constexpr int PARTS_PER_BLOCK = 4;

// Where a part has more segments than this, a step has so much to compute that a chain's hand-overs, some microseconds
// each, are hidden by it; states kept apart would only cost memory traffic.
constexpr int MOST_APART = 4;

// The three lists, and what a part of each is. A tile's segments are kept apart where a part has some of them: the last
// part to arrive folds all.
enum AttentionList {
  CHAINED, // a segment of a wide tile; parts fold into one state in turn. Segment after segment over all tiles.
  WIDE,    // a whole wide tile, or some of its segments
  NARROW,  // a whole narrow tile, or some of its segments
  ATTENTION_LISTS
};

struct AttentionItem {
  int32_t slice;
  int32_t first_row, rows;            // of the slice
  int32_t first_segment, end_segment; // what this part covers; of a CHAINED tile, all
  int32_t parts;                      // of this tile
  int32_t slot;                       // of partial states, where parts > 1
  int32_t unused;
};

// int32_t counters, zero between launches but for COUNT and what belongs to `prepare`.
enum AttentionCounter {
  COUNT,                                // [ATTENTION_LISTS]: items
  CURSOR = COUNT + ATTENTION_LISTS,     // [ATTENTION_LISTS]: parts handed out
  FINISHED = CURSOR + ATTENTION_LISTS,  // blocks that found no more work
  SLOTS,                                // taken of `partials`
  CHAIN,                                // segments of the longest chained tile
  ATTENTION_COUNTERS
};

struct AttentionWork {
  int32_t *counters;
  AttentionItem *items; // [ATTENTION_LISTS][item_capacity]
  int64_t item_capacity;
  float *partials;   // [slots][slot_floats]: a segment's state of a narrow tile each; of a wide tile it takes wide_slots
  int32_t *arrivals; // [slots], zero between launches
  int64_t slots;
  int64_t slot_floats;
  int64_t wide_slots;
  float *running; // [grid][wide_slots][slot_floats]: a block's own state of a whole tile
};

} // namespace weir
