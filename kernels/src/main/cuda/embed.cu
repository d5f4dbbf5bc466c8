// Rows into and out of the packed form of a weight (packed.h).
//
// Bytes: embed reads and writes 2·T·K; pack reads and writes 2·N·K.
#include "packed.h"

namespace weir {

constexpr int EMBED_THREADS = 128;
constexpr int PACK_THREADS = 256;
constexpr int RESULT_BYTES = 192; // SampleLayout.RESULT_BYTES; the drawn token is a row's first field

struct EmbedArguments {
  const int32_t *counts;      // of StepArrays, as are the next two
  const int32_t *token_ids;   // [T]
  const unsigned char *drawn; // or null
  const unsigned char *table;
  uint16_t *out; // [rows][columns]
  int64_t vocabulary;
  int64_t columns;
};

// The token at place `token` of the step, or -1 where there is none.
WEIR_DEVICE int64_t resolve_token(const EmbedArguments &arguments, int64_t token) {
  if (token >= arguments.counts[0]) {
    return -1;
  }
  int64_t id = arguments.token_ids[token];
  if (id < 0 && arguments.drawn != nullptr) {
    id = *reinterpret_cast<const int32_t *>(arguments.drawn + (-1 - id) * RESULT_BYTES);
  }
  return id < arguments.vocabulary ? id : -1;
}

// One block per row of `out`. A row without a token of the vocabulary is zero.
WEIR_KERNEL(embed, EmbedArguments, EMBED_THREADS, 8, 0) {
  int64_t row = block_index();
  int64_t id = resolve_token(arguments, row);
  int64_t columns = arguments.columns;
  int64_t tile_columns = packed_tile_columns(columns);
  uint16_t *out = arguments.out + row * columns;
  bool aligned = columns % WORD_ELEMENTS == 0;
  for (int64_t word = thread_index(); word * WORD_ELEMENTS < columns; word += EMBED_THREADS) {
    Words4 words =
        id < 0 ? Words4{0, 0, 0, 0} : load_16_stream(arguments.table + packed_offset(id, word, tile_columns));
    if (aligned) {
      store_16(out + word * WORD_ELEMENTS, words);
    } else {
      uint32_t pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
      for (int i = 0; i < WORD_ELEMENTS; i++) {
        if (word * WORD_ELEMENTS + i < columns) {
          out[word * WORD_ELEMENTS + i] = static_cast<uint16_t>(pairs[i / 2] >> (16 * (i % 2)));
        }
      }
    }
  }
}

struct PackArguments {
  const uint16_t *source; // [count][columns]
  unsigned char *packed;
  int64_t first_row;
  int64_t count;
  int64_t columns;
};

// One block per source row.
WEIR_KERNEL(pack_rows, PackArguments, PACK_THREADS, 4, 0) {
  int64_t row = block_index();
  int64_t columns = arguments.columns;
  int64_t tile_columns = packed_tile_columns(columns);
  const uint16_t *source = arguments.source + row * columns;
  bool aligned = columns % WORD_ELEMENTS == 0;
  int64_t padded = tile_columns * TILE_COLUMNS;
  for (int64_t word = thread_index(); word * WORD_ELEMENTS < padded; word += PACK_THREADS) {
    int64_t column = word * WORD_ELEMENTS;
    Words4 words = aligned && column < columns ? load_16_stream(source + column)
                                               : gather_word(source + column, columns - column);
    store_16(arguments.packed + packed_offset(arguments.first_row + row, word, tile_columns), words);
  }
}

} // namespace weir
