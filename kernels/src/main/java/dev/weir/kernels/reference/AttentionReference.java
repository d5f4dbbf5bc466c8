package dev.weir.kernels.reference;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;

/**
 * Causal attention over the paged cache. The softmax runs online (Milakov and Gimelshein 2018):
 * each tile of 64 positions is folded into the state of its segment, each finished segment into the
 * state of the whole, both at absolute positions and in order.
 */
final class AttentionReference {
  private static final int TILE = KvShape.BLOCK_TOKENS;

  private final SoftmaxState segment = new SoftmaxState();
  private final SoftmaxState whole = new SoftmaxState();
  private final float[] weights = new float[TILE];
  private float[] query = new float[0];
  private float[] rows = new float[0];
  private float[] output = new float[0];

  void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
    int headDim = shape.headDim();
    int width = shape.heads() * headDim;
    query = Memory.atLeast(query, width);
    output = Memory.atLeast(output, width);
    rows = Memory.atLeast(rows, TILE * headDim);
    for (int t = 0; t < step.tokens(); t++) {
      int position = Memory.readInt(step.positions(), t);
      Memory.read(qkv, (long) t * shape.qkvColumns(), query, width);
      for (int head = 0; head < shape.heads(); head++) {
        attendOne(step, t, position, shape, head, cache, layer);
        whole.finish(output, head * headDim);
      }
      Memory.write(output, 0, width, out, (long) t * width);
    }
  }

  private void attendOne(
      StepInputs step,
      int token,
      int position,
      AttentionShape shape,
      int head,
      KvArena cache,
      int layer) {
    int headDim = shape.headDim();
    int kvHead = head / (shape.heads() / shape.kvHeads());
    int first = Math.max(0, position - shape.window() + 1);
    whole.start(headDim);
    segment.start(headDim);
    for (int tile = first / TILE; tile <= position / TILE; tile++) {
      int block = StepChecks.block(step, token, tile * TILE);
      int from = Math.max(first - tile * TILE, 0);
      int to = Math.min(position - tile * TILE, TILE - 1);
      scores(shape, head, KvTiles.keys(cache, block, layer, kvHead), from, to, cache);
      KvTiles.read(cache, KvTiles.values(cache, block, layer, kvHead), from, to, rows);
      segment.fold(weights, rows, to - from + 1);
      boolean segmentEnds = (tile + 1) * TILE % AttentionShape.SEGMENT_TOKENS == 0;
      if (segmentEnds || tile == position / TILE) {
        whole.fold(segment);
        segment.start(headDim);
      }
    }
  }

  private void scores(AttentionShape shape, int head, long keys, int from, int to, KvArena cache) {
    int headDim = shape.headDim();
    KvTiles.read(cache, keys, from, to, rows);
    for (int i = 0; i <= to - from; i++) {
      float score = Memory.dot(query, head * headDim, rows, i * headDim, headDim) * shape.scale();
      if (shape.softCap() != 0) {
        score = shape.softCap() * (float) Math.tanh(score / shape.softCap());
      }
      weights[i] = score;
    }
  }
}
