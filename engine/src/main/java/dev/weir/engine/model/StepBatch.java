package dev.weir.engine.model;

import static dev.weir.kernels.KvShape.BLOCK_TOKENS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.weir.engine.kv.BlockTable;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Device;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Builds the {@link StepInputs} of one step in memory that was set aside at start: slices are
 * appended, then everything is uploaded at once. The block table keeps its contents from step to
 * step; only what a slice's blocks have grown by is written and uploaded.
 */
public final class StepBatch {
  private static final String PURPOSE = "step inputs";

  /** Tokens, slices, samples. */
  private static final int COUNTS = 3;

  private final Device device;
  private final int maxTokens;
  private final int maxSlices;
  private final int tableWidth;
  private final int firstBlock;

  private final Staging arrays;
  private final Staging table;
  private final MemorySegment host;
  private final StepInputs inputs;

  /** Per row of the block table: how many of its sequence's blocks are in it. */
  private final int[] mapped;

  /** Entries of the block table that were written since the last upload: from, to (exclusive). */
  private long changedFrom = Long.MAX_VALUE;

  private long changedTo;

  // Offsets into the arrays, in ints.
  private final int positionsAt;
  private final int tokenSlicesAt;
  private final int sliceOffsetsAt;
  private final int kvLengthsAt;
  private final int tableRowsAt;
  private final int sampleRowsAt;
  private final int countsAt;
  private final int ints;

  private int tokens;
  private int slices;
  private int samples;
  private int position;
  private int sliceBlocks;

  /**
   * @param maxTokens the most tokens of a step
   * @param maxSlices the most slices of a step, and rows of the block table
   * @param tableWidth the most blocks of a sequence
   * @param firstBlock what block tables call the first block of the device's arena
   * @param drawn where the results of the step before will be, if its tokens may be referred to
   */
  public StepBatch(
      Device device,
      int maxTokens,
      int maxSlices,
      int tableWidth,
      int firstBlock,
      @Nullable Buffer drawn) {
    this.device = device;
    this.maxTokens = maxTokens;
    this.maxSlices = maxSlices;
    this.tableWidth = tableWidth;
    this.firstBlock = firstBlock;
    positionsAt = aligned(maxTokens);
    tokenSlicesAt = positionsAt + aligned(maxTokens);
    sliceOffsetsAt = tokenSlicesAt + aligned(maxTokens);
    kvLengthsAt = sliceOffsetsAt + aligned(maxSlices + 1);
    tableRowsAt = kvLengthsAt + aligned(maxSlices);
    sampleRowsAt = tableRowsAt + aligned(maxSlices);
    countsAt = sampleRowsAt + aligned(maxSlices);
    ints = countsAt + aligned(COUNTS);
    arrays = device.staging((long) ints * Integer.BYTES, PURPOSE);
    table = device.staging((long) maxSlices * tableWidth * Integer.BYTES, "block table");
    host = arrays.host();
    inputs =
        new StepInputs(
            part(countsAt, COUNTS),
            part(0, maxTokens),
            part(positionsAt, maxTokens),
            part(tokenSlicesAt, maxTokens),
            part(sliceOffsetsAt, maxSlices + 1),
            part(kvLengthsAt, maxSlices),
            part(tableRowsAt, maxSlices),
            table.device(),
            tableWidth,
            part(sampleRowsAt, maxSlices),
            drawn);
    mapped = new int[maxSlices];
  }

  /** Arrays start at cache lines. */
  private static int aligned(int count) {
    return (count + 15) & -16;
  }

  private Buffer part(int at, int count) {
    return arrays.device().slice((long) at * Integer.BYTES, (long) count * Integer.BYTES);
  }

  /** A row of the block table is another sequence's from now on. */
  public void clearRow(int tableRow) {
    mapped[tableRow] = 0;
  }

  /** Starts the next step. */
  public void clear() {
    tokens = 0;
    slices = 0;
    samples = 0;
  }

  /**
   * Starts a slice whose first token stands at {@code firstPosition}.
   *
   * @param tableRow the row of the block table that is its sequence's
   * @param blocks the sequence's blocks; since the row was cleared they have only become more
   */
  public void beginSlice(int tableRow, BlockTable blocks, int firstPosition) {
    assert slices < maxSlices;
    map(tableRow, blocks);
    host.setAtIndex(JAVA_INT, sliceOffsetsAt + slices, tokens);
    host.setAtIndex(JAVA_INT, tableRowsAt + slices, tableRow);
    position = firstPosition;
    sliceBlocks = blocks.size();
  }

  private void map(int tableRow, BlockTable blocks) {
    int from = mapped[tableRow];
    int to = blocks.size();
    assert from <= to && to <= tableWidth;
    if (from == to) {
      return;
    }
    long row = (long) tableRow * tableWidth;
    for (int i = from; i < to; i++) {
      table.host().setAtIndex(JAVA_INT, row + i, blocks.get(i) - firstBlock);
    }
    mapped[tableRow] = to;
    changedFrom = Math.min(changedFrom, row + from);
    changedTo = Math.max(changedTo, row + to);
  }

  /**
   * Appends a token to the slice that was begun.
   *
   * @param id a token, or {@code -1-r}: what row r of the step before draws
   */
  public void token(int id) {
    assert tokens < maxTokens;
    host.setAtIndex(JAVA_INT, tokens, id);
    host.setAtIndex(JAVA_INT, positionsAt + tokens, position++);
    host.setAtIndex(JAVA_INT, tokenSlicesAt + tokens, slices);
    tokens++;
  }

  /**
   * Ends the slice.
   *
   * @param sample whether the logits of its last token are wanted
   */
  public void endSlice(boolean sample) {
    assert position <= sliceBlocks * BLOCK_TOKENS : "a slice's tokens lack a block";
    host.setAtIndex(JAVA_INT, kvLengthsAt + slices, position);
    if (sample) {
      host.setAtIndex(JAVA_INT, sampleRowsAt + samples++, tokens - 1);
    }
    slices++;
    host.setAtIndex(JAVA_INT, sliceOffsetsAt + slices, tokens);
  }

  /** How many tokens it holds. */
  public int tokens() {
    return tokens;
  }

  /** How many rows will be sampled. */
  public int samples() {
    return samples;
  }

  /** Makes the batch visible to the device. */
  public StepInputs upload() {
    inputs.counts(tokens, slices, samples);
    host.setAtIndex(JAVA_INT, countsAt, tokens);
    host.setAtIndex(JAVA_INT, countsAt + 1, slices);
    host.setAtIndex(JAVA_INT, countsAt + 2, samples);
    device.upload(arrays, 0, (long) ints * Integer.BYTES);
    if (changedTo > 0) {
      device.upload(table, changedFrom * Integer.BYTES, (changedTo - changedFrom) * Integer.BYTES);
      changedFrom = Long.MAX_VALUE;
      changedTo = 0;
    }
    return inputs;
  }
}
