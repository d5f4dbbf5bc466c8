package dev.weir.kernels;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What one step computes, as the ops read it: a ragged batch. All arrays are I32 in device memory,
 * the counts are set by whoever fills the batch, here and in device memory. A decode row is a slice
 * of length 1, a prefill chunk a longer one; ops do not know the difference.
 *
 * <p>A device that records a step and replays it for others of its size ({@link Device#compute})
 * shows ops the size class in {@link #tokens}, {@link #slices} and {@link #samples}; how many rows
 * there are then stands in {@code counts} alone.
 *
 * <ul>
 *   <li>{@code counts [3]}: T, S, R
 *   <li>{@code tokenIds [T]}; {@code -1-r} stands for the token that row r of {@code drawn} holds
 *   <li>{@code positions [T]}: absolute positions, consecutive inside a slice
 *   <li>{@code tokenSlices [T]}: the slice a token belongs to
 *   <li>{@code sliceOffsets [S+1]}: slice s is tokens {@code sliceOffsets[s] … sliceOffsets[s+1]-1}
 *   <li>{@code kvLengths [S]}: KV length of the slice once this step is done: position of its last
 *       token + 1
 *   <li>{@code blockTableRows [S]}: the row of the block table that maps the slice's positions
 *   <li>{@code blockTable [rows][blockTableWidth]}: block numbers in the arena; entry i holds
 *       positions 64 i … 64 i + 63
 *   <li>{@code sampleRows [R]}: tokens (indices into T) whose logits are wanted
 *   <li>{@code drawn}: result rows ({@link SampleLayout}) of the step before, whose tokens need not
 *       have reached the host; null where no token id refers to it
 * </ul>
 */
public final class StepInputs {
  private final Buffer counts;
  private final Buffer tokenIds;
  private final Buffer positions;
  private final Buffer tokenSlices;
  private final Buffer sliceOffsets;
  private final Buffer kvLengths;
  private final Buffer blockTableRows;
  private final Buffer blockTable;
  private final int blockTableWidth;
  private final Buffer sampleRows;
  private final @Nullable Buffer drawn;

  private int tokens;
  private int slices;
  private int samples;

  public StepInputs(
      Buffer counts,
      Buffer tokenIds,
      Buffer positions,
      Buffer tokenSlices,
      Buffer sliceOffsets,
      Buffer kvLengths,
      Buffer blockTableRows,
      Buffer blockTable,
      int blockTableWidth,
      Buffer sampleRows,
      @Nullable Buffer drawn) {
    this.counts = counts;
    this.tokenIds = tokenIds;
    this.positions = positions;
    this.tokenSlices = tokenSlices;
    this.sliceOffsets = sliceOffsets;
    this.kvLengths = kvLengths;
    this.blockTableRows = blockTableRows;
    this.blockTable = blockTable;
    this.blockTableWidth = blockTableWidth;
    this.sampleRows = sampleRows;
    this.drawn = drawn;
  }

  /** Sets what this step holds: T tokens in S slices, R of them to be sampled. */
  public void counts(int tokens, int slices, int samples) {
    Objects.checkFromToIndex(0, slices, tokens);
    Objects.checkFromToIndex(0, samples, tokens);
    this.tokens = tokens;
    this.slices = slices;
    this.samples = samples;
  }

  public int tokens() {
    return tokens;
  }

  public int slices() {
    return slices;
  }

  public int samples() {
    return samples;
  }

  public Buffer counts() {
    return counts;
  }

  public Buffer tokenIds() {
    return tokenIds;
  }

  public Buffer positions() {
    return positions;
  }

  public Buffer tokenSlices() {
    return tokenSlices;
  }

  public Buffer sliceOffsets() {
    return sliceOffsets;
  }

  public Buffer kvLengths() {
    return kvLengths;
  }

  public Buffer blockTableRows() {
    return blockTableRows;
  }

  public Buffer blockTable() {
    return blockTable;
  }

  public int blockTableWidth() {
    return blockTableWidth;
  }

  public Buffer sampleRows() {
    return sampleRows;
  }

  public @Nullable Buffer drawn() {
    return drawn;
  }
}
