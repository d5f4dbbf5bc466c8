package dev.weir.tests.gpucheck;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import java.util.ArrayList;
import java.util.List;

/** Attention of decode rows, over batch × context, and of whole prompts. */
final class AttentionTable {
  /** More KV than this in one layer does not occur: 128 sequences of 8K, say. */
  private static final long MOST_TOKENS = 1 << 20;

  private static final int BLOCK = KvShape.BLOCK_TOKENS;

  // The targets on an H100.
  private static final double DECODE_TARGET = 0.85; // of the copy bandwidth
  private static final long DECODE_TARGET_TOKENS = 128 * 1024; // from so many cached tokens on
  private static final double PREFILL_TARGET = 0.50; // of what torch reaches

  private AttentionTable() {}

  /** So many sequences with so long a context each, one row per sequence. */
  private record Decode(int batch, int context) {}

  private static List<Decode> decodes(boolean smoke) {
    if (smoke) {
      return List.of(new Decode(1, 128), new Decode(3, 192));
    }
    List<Decode> grid = new ArrayList<>();
    for (int batch : new int[] {1, 8, 32, 128}) {
      for (int context : new int[] {1024, 4096, 16_384, 65_536}) {
        if ((long) batch * context <= MOST_TOKENS) {
          grid.add(new Decode(batch, context));
        }
      }
    }
    return grid;
  }

  private static int[] prompts(boolean smoke) {
    return smoke ? new int[] {100} : new int[] {1024, 4096, 8192, 32_768};
  }

  static List<String> jobs(Shape shape, boolean smoke) {
    List<String> jobs = new ArrayList<>();
    for (Decode decode : decodes(smoke)) {
      jobs.add(Torch.decode(shape, decode.batch, decode.context));
    }
    for (int prompt : prompts(smoke)) {
      jobs.add(Torch.prefill(shape, prompt));
    }
    return jobs;
  }

  static void run(OpTable.Table table, Shape shape) {
    boolean smoke = table.options().smoke();
    for (Decode decode : decodes(smoke)) {
      String name =
          "decode attention %s, batch %d × %d"
              .formatted(shape.name(), decode.batch, decode.context);
      table.row(name, () -> decode(table, shape, decode, name));
    }
    for (int prompt : prompts(smoke)) {
      String name = "prefill attention " + shape.name() + ", " + prompt + " tokens";
      table.row(name, () -> prefill(table, shape, prompt, name));
    }
  }

  private static void decode(OpTable.Table table, Shape shape, Decode decode, String name) {
    double seconds = measure(table, shape, decode.batch, decode.context, 1);
    long tokens = (long) decode.batch * decode.context;
    double bytes = 2.0 * tokens * shape.kvHeads() * shape.headDim() * TimedDevice.WEIGHTS.bytes();
    String job = Torch.decode(shape, decode.batch, decode.context);
    Row row = table.traffic(name, seconds, bytes, job);
    boolean held = tokens >= DECODE_TARGET_TOKENS;
    table.report().row(held ? row.held(row.ofCeiling(), DECODE_TARGET) : row);
  }

  private static void prefill(OpTable.Table table, Shape shape, int prompt, String name) {
    double seconds = measure(table, shape, 1, prompt, prompt);
    double pairs = prompt * (prompt + 1.0) / 2;
    double operations = 4 * pairs * shape.heads() * shape.headDim();
    Row row = table.arithmetic(name, seconds, operations, Torch.prefill(shape, prompt));
    table.report().row(row.held(row.ofTorch(), PREFILL_TARGET));
  }

  /** Seconds of one layer's attention: so many sequences, their last {@code tokens} computed. */
  private static double measure(
      OpTable.Table table, Shape shape, int batch, int context, int tokens) {
    AttentionShape attention = shape.attention();
    int rows = batch * tokens;
    StepLimits limits = TimedDevice.limits(rows, batch, context, shape);
    try (TimedDevice timed = TimedDevice.open(table.options(), limits)) {
      int perSequence = Math.ceilDiv(context, BLOCK);
      int blocks = batch * perSequence;
      KvShape one =
          new KvShape(
              1, shape.kvHeads(), shape.headDim(), timed.device.kvType(TimedDevice.WEIGHTS));
      int layers = timed.copies(blocks * one.blockBytes());
      KvShape kv = new KvShape(layers, one.kvHeads(), one.headDim(), one.type());
      KvArena cache = timed.device.allocateKv(kv, blocks);
      timed.fill(cache.memory(), kv.type(), 1);
      StepInputs step =
          TimedStep.of(timed, batch, context, tokens, perSequence, shape.vocabulary());
      Buffer qkv = timed.activations((long) rows * attention.qkvColumns(), 1);
      long outBytes = (long) rows * shape.heads() * shape.headDim() * timed.activation.bytes();
      Buffer out = timed.device.allocate(outBytes, "timed output");
      timed.kernels.prepare(step);
      return timed.median(
          layers,
          () -> {
            for (int layer = 0; layer < layers; layer++) {
              timed.kernels.attention(step, attention, qkv, cache, layer, out);
            }
          });
    }
  }
}
