package dev.weir.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What must hold of a step before memory is addressed by it: one wrong block number would be a
 * native fault, or another request's cache. Reads the host's side of the step's arrays; costs one
 * pass over its integers. Every check throws {@link IllegalArgumentException} and names the number
 * that was wrong.
 */
public final class StepChecks {
  /** The largest head that the attention ops hold in registers and scratch. */
  public static final int MAX_HEAD_DIM = 256;

  private StepChecks() {}

  /**
   * The shape is sound and the cache's own, and every position that is read or written is there.
   */
  public static void cached(StepInputs step, AttentionShape shape, KvArena cache, int layer) {
    KvShape kv = cache.shape();
    require(shape.headDim() % 2 == 0 && shape.headDim() > 0, "headDim", shape.headDim());
    require(shape.headDim() <= MAX_HEAD_DIM, "headDim", shape.headDim());
    require(shape.kvHeads() > 0 && shape.heads() % shape.kvHeads() == 0, "heads", shape.heads());
    require(shape.window() > 0, "window", shape.window());
    require(kv.kvHeads() == shape.kvHeads(), "the cache's kvHeads", kv.kvHeads());
    require(kv.headDim() == shape.headDim(), "the cache's headDim", kv.headDim());
    require(layer >= 0 && layer < kv.layers(), "layer", layer);
    require(cache.memory().bytes() >= cache.blocks() * kv.blockBytes(), "blocks", cache.blocks());

    MemorySegment offsets = ints(step.sliceOffsets());
    MemorySegment positions = ints(step.positions());
    MemorySegment slices = ints(step.tokenSlices());
    MemorySegment table = ints(step.blockTable());
    int width = step.blockTableWidth();
    int next = 0;
    for (int s = 0; s < step.slices(); s++) {
      int start = at(offsets, s);
      int end = at(offsets, s + 1);
      require(start == next && start < end && end <= step.tokens(), "slice offset", start);
      next = end;
      int first = at(positions, start);
      int length = at(ints(step.kvLengths()), s);
      require(first >= 0, "position", first);
      require(length == first + (end - start), "KV length", length);
      require(length <= (long) width * KvShape.BLOCK_TOKENS, "KV length", length);
      for (int t = start; t < end; t++) {
        require(at(positions, t) == first + t - start, "position", at(positions, t));
        require(at(slices, t) == s, "token's slice", at(slices, t));
      }
      int row = at(ints(step.blockTableRows()), s);
      require(row >= 0, "block table row", row);
      int oldest = Math.max(0, first - shape.window() + 1);
      for (int i = oldest / KvShape.BLOCK_TOKENS; i <= (length - 1) / KvShape.BLOCK_TOKENS; i++) {
        int block = at(table, (long) row * width + i);
        require(block >= 0 && block < cache.blocks(), "block", block);
      }
    }
    require(next == step.tokens(), "tokens", step.tokens());
  }

  /** The rotary table fits the heads and holds every position of the step. */
  public static void rotated(StepInputs step, AttentionShape shape, RotaryTable rotary) {
    int dim = rotary.rotaryDim();
    require(dim >= 0 && dim % 2 == 0 && dim <= shape.headDim(), "rotaryDim", dim);
    long bytes = (long) rotary.positions() * (dim / 2) * Float.BYTES;
    require(rotary.cosines().bytes() >= bytes, "rotary positions", rotary.positions());
    require(rotary.sines().bytes() >= bytes, "rotary positions", rotary.positions());
    MemorySegment positions = ints(step.positions());
    for (int t = 0; t < step.tokens(); t++) {
      int position = at(positions, t);
      require(position >= 0 && position < rotary.positions(), "position", position);
    }
  }

  /** Every row that is to be sampled is a token of the step. */
  public static void sampled(StepInputs step) {
    MemorySegment rows = ints(step.sampleRows());
    for (int r = 0; r < step.samples(); r++) {
      require(at(rows, r) >= 0 && at(rows, r) < step.tokens(), "sampled row", at(rows, r));
    }
  }

  /** Every token of the step is in the vocabulary, or stands for a row that is there. */
  public static void inVocabulary(StepInputs step, int vocabulary) {
    MemorySegment tokens = ints(step.tokenIds());
    Buffer drawn = step.drawn();
    long drawnRows = drawn == null ? 0 : drawn.bytes() / SampleLayout.RESULT_BYTES;
    for (int t = 0; t < step.tokens(); t++) {
      int token = at(tokens, t);
      if (token < 0 ? -1L - token >= drawnRows : token >= vocabulary) {
        throw new IllegalArgumentException(
            "token id " + token + " is outside the vocabulary of " + vocabulary);
      }
    }
  }

  /** Sources and destinations are blocks of the arena. */
  public static void copied(KvArena cache, int count, Buffer pairs) {
    MemorySegment blocks = ints(pairs);
    for (int i = 0; i < 2 * count; i++) {
      require(at(blocks, i) >= 0 && at(blocks, i) < cache.blocks(), "block", at(blocks, i));
    }
  }

  /** A buffer holds at least so many elements. */
  public static void holds(Buffer buffer, long elements, int elementBytes, String what) {
    if (elements < 0 || buffer.bytes() / elementBytes < elements) {
      throw new IllegalArgumentException(
          what
              + " has "
              + buffer.bytes()
              + " bytes, too few for "
              + elements
              + " elements of "
              + elementBytes);
    }
  }

  /** The block that holds a position of a token's slice. */
  public static int block(StepInputs step, int token, int position) {
    int slice = at(ints(step.tokenSlices()), token);
    int row = at(ints(step.blockTableRows()), slice);
    long index = (long) row * step.blockTableWidth() + position / KvShape.BLOCK_TOKENS;
    return at(ints(step.blockTable()), index);
  }

  private static MemorySegment ints(Buffer buffer) {
    return switch (buffer) {
      case HostBuffer host -> host.segment();
      case DeviceBuffer device -> device.requireMirror();
    };
  }

  private static int at(MemorySegment ints, long index) {
    return ints.getAtIndex(ValueLayout.JAVA_INT, index);
  }

  private static void require(boolean holds, String what, int value) {
    if (!holds) {
      throw new IllegalArgumentException("this step cannot be computed: " + what + " is " + value);
    }
  }
}
