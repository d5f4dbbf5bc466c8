package dev.weir.kernels;

import java.util.List;

/** The mistakes that the emulator has to find, one or more of every kind that a kernel can have. */
final class Mutants {
  static final List<Mutant> ALL =
      List.of(
          new Mutant(
              "linear.cu",
              "      cp_async_wait<STAGES - 2>();\n      sync_block();\n      auto copy_next",
              "      cp_async_wait<STAGES - 2>();\n      auto copy_next",
              "no barrier between a copy's arrival and its use by other threads",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "cp_async_wait<STAGES - 2>();\n      sync_block();\n      const unsigned char *stage",
              "cp_async_wait<STAGES - 1>();\n      sync_block();\n      const unsigned char *stage",
              "waits for one copy too few",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "{upper[n].x, lower[n].x, upper[n].y, lower[n].y}",
              "{upper[n].x, upper[n].y, lower[n].x, lower[n].y}",
              "two registers of a fragment change places",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "token += lane() % 4 * 2;\n  output += lane() / 4;",
              "token += lane() / 8 * 2;\n  output += lane() % 8;",
              "sums are stored as if a fragment lay the other way",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "        if (token + beyond < arguments.rows) {",
              "        if (token + beyond <= arguments.rows) {",
              "the last tile writes a row too many",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "cp_async_16(to + i * to_step, valid ? source + i * token_step * arguments.columns :"
                  + " arguments.in, valid);",
              "cp_async_16(to + i * to_step, source + i * token_step * arguments.columns, valid || true);",
              "the last tile reads rows that do not exist",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "segment = 1; segment < segments; segment++) {\n        sum += met",
              "segment = segments - 1; segment > 0; segment--) {\n        sum += met",
              "segments are added in another order",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "    int boundary = first + segment_steps;",
              "    int boundary = first + segment_steps + 1;",
              "a segment ends one step late",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "    fence_device();\n    sync_block();\n    int32_t *arrived",
              "    sync_block();\n    int32_t *arrived",
              "no fence before a block says that it has arrived",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "    sync_block();\n    fence_device();\n    Sums<TILES_N, TILES_T> total;",
              "    sync_block();\n    Sums<TILES_N, TILES_T> total;",
              "no fence before the last block reads what the others wrote",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "        if (other == segment) {\n          total.add(sums);\n        }\n",
              "",
              "one segment is left out",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "      arguments.arrivals[tile] = 0; // for the next launch",
              "",
              "a counter is not left at zero",
              OpCheck.LINEAR),
          new Mutant(
              "linear.cu",
              "    sync_block();\n    float *met",
              "    float *met",
              "no barrier before a stage's memory is used for something else",
              OpCheck.LINEAR),
          new Mutant(
              "norm.cu",
              "  sync_block();\n  float total",
              "  float total",
              "no barrier before the warps' sums are read",
              OpCheck.NORM),
          new Mutant(
              "norm.cu",
              "x[i] = at + i < dim ? to_float(row[at + i]) : 0;",
              "x[i] = at + i <= dim ? to_float(row[at + i]) : 0;",
              "the last vector reads beyond its row",
              OpCheck.NORM),
          new Mutant(
              "norm.cu",
              "  squares = warp_sum(squares);\n",
              "  squares += shuffle_xor(squares, 16);\n",
              "a sum over some lanes of a warp",
              OpCheck.NORM),
          new Mutant(
              "activation.cu",
              "i < at + GATED_VECTOR && i < width; i++",
              "i < at + GATED_VECTOR; i++",
              "the last vector writes beyond its row",
              OpCheck.ACTIVATION),
          new Mutant(
              "sample.cu",
              "    logits[offset_of(i)] = x[i];\n  }\n  sync_warp();\n  change_listed",
              "    logits[offset_of(i)] = x[i];\n  }\n  change_listed",
              "a ballot taken for a barrier",
              OpCheck.SAMPLE),
          new Mutant(
              "sample.cu",
              "  sync_block();\n  before -= sum;",
              "  before -= sum;",
              "no barrier in a running sum over warps",
              OpCheck.SAMPLE),
          new Mutant(
              "sample.cu",
              "static_cast<uint64_t>(descending) << 32 | static_cast<uint32_t>(token)",
              "static_cast<uint64_t>(descending) << 32 | static_cast<uint32_t>(token ^ 1)",
              "a candidate is its neighbour",
              OpCheck.SAMPLE),
          new Mutant(
              "sample.cu",
              "    for (int stride = size / 2; stride > 0; stride /= 2) {\n      sync_block();",
              "    for (int stride = size / 2; stride > 0; stride /= 2) {",
              "no barrier between the rounds of a sort",
              OpCheck.LOGPROBS),
          new Mutant(
              "sample.cu",
              "  fence_device();\n  sync_block();\n  if (thread_index() == 0) {\n    shared->last",
              "  sync_block();\n  if (thread_index() == 0) {\n    shared->last",
              "no fence before a block says that it has arrived",
              OpCheck.SAMPLE),
          new Mutant(
              "attention.cu",
              "    cp_async_wait<V::STAGES - 2>();\n    sync_block();",
              "    cp_async_wait<V::STAGES - 1>();\n    sync_block();",
              "waits for one copy too few",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "    cp_async_wait<V::STAGES - 2>();\n    sync_block();",
              "    cp_async_wait<V::STAGES - 2>();",
              "no barrier between a copy's arrival and its use by other threads",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "job.table[tile];",
              "job.table[tile + 1];",
              "the block table is read one entry further",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "column <= last && column > first",
              "column < last && column > first",
              "a token does not see itself",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "row >= first_row && row <= last_row);",
              "row >= first_row && row <= last_row + 1);",
              "one slot too many is read of the last tile",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "(tile + 1) % SEGMENT_TILES == 0",
              "tile % SEGMENT_TILES == 0",
              "segments end one tile early",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "ldmatrix_x4_trans(b, stages + (STEPS",
              "ldmatrix_x4(b, stages + (STEPS",
              "a fragment is not transposed",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "  fence_device();\n  sync_block();\n  if (thread_index() == 0) {\n    *answer",
              "  sync_block();\n  if (thread_index() == 0) {\n    *answer",
              "no fence before a part of a tile says that it has arrived",
              OpCheck.ATTENTION),
          new Mutant(
              "attention.cu",
              "load(next, rows, memory(segment + 1));",
              "load(next, rows, memory(segment));",
              "a segment's state is folded twice, and the next one not at all",
              OpCheck.ATTENTION),
          new Mutant(
              "rotary.cu",
              "block_table_width + position / BLOCK_TOKENS];",
              "block_table_width + (position + 1) / BLOCK_TOKENS];",
              "a block's last token goes to the next block",
              OpCheck.ATTENTION));

  private Mutants() {}
}
