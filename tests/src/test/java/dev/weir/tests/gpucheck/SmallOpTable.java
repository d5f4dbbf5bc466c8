package dev.weir.tests.gpucheck;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The ops beside the products and attention: small, but many, and each a launch. */
final class SmallOpTable {
  private static final String NO_JOB = "";
  private static final float EPSILON = 1e-6f;
  private static final int COPIED_BLOCKS = 64;

  private SmallOpTable() {}

  private static int[] rows(boolean smoke) {
    return smoke ? new int[] {1, 8} : new int[] {1, 32, 1024};
  }

  private static int[] sampledRows(boolean smoke) {
    return smoke ? new int[] {1, 3} : new int[] {1, 32, 128};
  }

  static void run(OpTable.Table table, Shape shape) {
    for (int rows : rows(table.options().smoke())) {
      String name = " of " + shape.name() + ", rows " + rows;
      table.row("norm and activation" + name, () -> rowOps(table, shape, rows));
      table.row("rotation" + name, () -> rotation(table, shape, rows));
      table.row("embedding" + name, () -> embedding(table, shape, rows));
    }
    for (int rows : sampledRows(table.options().smoke())) {
      String name = "sampling of " + shape.name() + ", rows " + rows;
      table.row(name, () -> sample(table, shape, rows));
    }
    table.row("copyBlocks of " + shape.name(), () -> copyBlocks(table, shape));
  }

  private static TimedDevice open(OpTable.Table table, Shape shape, int rows) {
    int positions = Math.max(rows, KvShape.BLOCK_TOKENS);
    return TimedDevice.open(table.options(), TimedDevice.limits(rows, rows, positions, shape));
  }

  private static void rowOps(OpTable.Table table, Shape shape, int rows) {
    try (TimedDevice timed = open(table, shape, rows)) {
      int element = timed.activation.bytes();
      long hidden = (long) rows * shape.hidden();
      int copies = timed.copies(4 * hidden * element);
      List<Buffer> residual = new ArrayList<>();
      List<Buffer> delta = new ArrayList<>();
      List<Buffer> out = new ArrayList<>();
      for (int i = 0; i < copies; i++) {
        residual.add(timed.activations(hidden, 1));
        delta.add(timed.activations(hidden, 1e-3)); // added again and again: must not grow
        out.add(timed.device.allocate(hidden * element, "timed output"));
      }
      Buffer weight = timed.floats(shape.hidden(), 1);
      double norm =
          timed.median(
              copies,
              () -> {
                for (int i = 0; i < copies; i++) {
                  timed.kernels.addRmsNorm(
                      rows,
                      shape.hidden(),
                      residual.get(i),
                      delta.get(i),
                      weight,
                      EPSILON,
                      out.get(i));
                }
              });
      String name = " " + shape.name() + ", rows " + rows;
      table.report().row(table.traffic("addRmsNorm" + name, norm, 4.0 * hidden * element, NO_JOB));

      long width = (long) rows * shape.intermediate();
      int sets = timed.copies(3 * width * element);
      List<Buffer> gateUp = new ArrayList<>();
      List<Buffer> activated = new ArrayList<>();
      for (int i = 0; i < sets; i++) {
        gateUp.add(timed.activations(2 * width, 1));
        activated.add(timed.device.allocate(width * element, "timed output"));
      }
      double activation =
          timed.median(
              sets,
              () -> {
                for (int i = 0; i < sets; i++) {
                  timed.kernels.gatedActivation(
                      rows, shape.intermediate(), gateUp.get(i), activated.get(i));
                }
              });
      table
          .report()
          .row(table.traffic("gatedActivation" + name, activation, 3.0 * width * element, NO_JOB));
    }
  }

  /** Rows of as many sequences. */
  private static void rotation(OpTable.Table table, Shape shape, int rows) {
    try (TimedDevice timed = open(table, shape, rows)) {
      int element = timed.activation.bytes();
      KvShape one =
          new KvShape(
              1, shape.kvHeads(), shape.headDim(), timed.device.kvType(TimedDevice.WEIGHTS));
      int layers = timed.copies(rows * one.blockBytes());
      KvArena cache =
          timed.device.allocateKv(
              new KvShape(layers, one.kvHeads(), one.headDim(), one.type()), rows);
      timed.fill(cache.memory(), one.type(), 1);
      StepInputs step = TimedStep.of(timed, rows, KvShape.BLOCK_TOKENS, 1, 1, shape.vocabulary());
      timed.kernels.prepare(step);
      Buffer qkv = timed.activations((long) rows * shape.attention().qkvColumns(), 1);
      int half = shape.headDim() / 2;
      RotaryTable rotary =
          new RotaryTable(
              timed.floats(64L * half, 0.5), timed.floats(64L * half, 0.5), 64, shape.headDim());
      QkNorm norm =
          shape.qkNorm()
              ? new QkNorm(
                  timed.floats(shape.headDim(), 1), timed.floats(shape.headDim(), 1), EPSILON)
              : null;
      double rotated =
          timed.median(
              layers,
              () -> {
                for (int layer = 0; layer < layers; layer++) {
                  timed.kernels.rotateAndCache(
                      step, shape.attention(), norm, rotary, qkv, cache, layer);
                }
              },
              () -> timed.fill(qkv, timed.activation, 1)); // rotated in place
      String name = " " + shape.name() + ", rows " + rows;
      // Read all of the row, write its queries back, its keys and values to the cache.
      double bytes = 2.0 * rows * shape.attention().qkvColumns() * element;
      table.report().row(table.traffic("rotateAndCache" + name, rotated, bytes, NO_JOB));
    }
  }

  private static void embedding(OpTable.Table table, Shape shape, int rows) {
    try (TimedDevice timed = open(table, shape, rows)) {
      int element = timed.activation.bytes();
      StepInputs step = TimedStep.of(timed, rows, KvShape.BLOCK_TOKENS, 1, 1, shape.vocabulary());
      timed.kernels.prepare(step);
      String name = " " + shape.name() + ", rows " + rows;
      LinearWeight embedding = timed.weight(shape.head());
      Buffer out = timed.device.allocate((long) rows * shape.hidden() * element, "timed output");
      double embedded = timed.median(1, () -> timed.kernels.embed(step, embedding, out));
      double moved = 2.0 * rows * shape.hidden() * element;
      table.report().row(table.traffic("embed" + name, embedded, moved, NO_JOB));
    }
  }

  /** A way of drawing. */
  private record Draw(String name, float temperature, int topK, float topP) {}

  private static final List<Draw> DRAWS =
      List.of(
          new Draw("greedy", 0, 0, 1),
          new Draw("temperature", 0.8f, 0, 1),
          new Draw("top-k 50", 0.8f, 50, 1),
          new Draw("top-p 0.95", 0.8f, 0, 0.95f));

  private static void sample(OpTable.Table table, Shape shape, int rows) {
    try (TimedDevice timed = open(table, shape, rows)) {
      Buffer logits = timed.floats((long) rows * shape.vocabulary(), 3);
      Buffer results =
          timed.device.allocate((long) rows * SampleLayout.RESULT_BYTES, "timed results");
      Buffer none = timed.ints(0, 0);
      for (Draw draw : DRAWS) {
        SampleBuffers buffers = new SampleBuffers(parameters(timed, rows, draw), none, none, none);
        double seconds =
            timed.median(
                1,
                () -> timed.kernels.sample(rows, shape.vocabulary(), logits, buffers, results),
                () -> timed.fill(logits, DType.F32, 3)); // they are scratch
        String name =
            "sample %s, %s, vocabulary %d, rows %d"
                .formatted(draw.name, shape.name(), shape.vocabulary(), rows);
        double bytes = (double) rows * shape.vocabulary() * Float.BYTES;
        table.report().row(table.traffic(name, seconds, bytes, NO_JOB));
      }
    }
  }

  private static Buffer parameters(TimedDevice timed, int rows, Draw draw) {
    long bytes = (long) rows * SampleLayout.ROW_BYTES;
    Staging staging = timed.device.staging(bytes, "timed parameters");
    for (int r = 0; r < rows; r++) {
      MemorySegment row =
          staging.host().asSlice((long) r * SampleLayout.ROW_BYTES, SampleLayout.ROW_BYTES);
      row.fill((byte) 0);
      row.set(JAVA_FLOAT, SampleLayout.TEMPERATURE, draw.temperature);
      row.set(JAVA_FLOAT, SampleLayout.TOP_P, draw.topP);
      row.set(JAVA_INT, SampleLayout.TOP_K, draw.topK);
      row.set(JAVA_FLOAT, SampleLayout.REPETITION, 1);
      row.set(JAVA_INT, SampleLayout.LOGPROBS, -1);
      row.set(JAVA_LONG, SampleLayout.SEED, timed.random().nextLong());
      row.set(JAVA_INT, SampleLayout.POSITION, r);
      row.set(JAVA_INT, SampleLayout.MASK_OFFSET, -1);
    }
    timed.device.upload(staging, 0, bytes);
    return staging.device();
  }

  private static void copyBlocks(OpTable.Table table, Shape shape) {
    try (TimedDevice timed = open(table, shape, 1)) {
      int count = table.options().smoke() ? 2 : COPIED_BLOCKS;
      KvShape kv =
          new KvShape(
              shape.layers(),
              shape.kvHeads(),
              shape.headDim(),
              timed.device.kvType(TimedDevice.WEIGHTS));
      KvArena cache = timed.device.allocateKv(kv, 2 * count);
      timed.fill(cache.memory(), kv.type(), 1);
      int[] pairs = new int[2 * count];
      for (int i = 0; i < count; i++) {
        pairs[2 * i] = i;
        pairs[2 * i + 1] = count + i;
      }
      Buffer list = timed.ints(pairs);
      double seconds = timed.median(1, () -> timed.kernels.copyBlocks(cache, count, list));
      String name = "copyBlocks " + shape.name() + ", " + count + " blocks";
      double bytes = 2.0 * count * kv.blockBytes();
      table.report().row(table.traffic(name, seconds, bytes, NO_JOB));
    }
  }
}
