package dev.weir.kernels;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Several sequences with given queries, keys and values, carried through one layer of attention in
 * steps of any composition.
 */
final class AttentionRun {
  /** All ones: a NaN in every floating-point type. */
  private static final byte GARBAGE = (byte) 0xFF;

  private static final int LAYERS = 2;
  private static final int LAYER = 1;

  final AttentionShape shape;
  final int rotaryDim;
  final boolean normed;
  final float[] queryNorm;
  final float[] keyNorm;
  final float[] cosines;
  final float[] sines;

  /** [sequence][position * qkvColumns + column]. */
  final List<float[]> sequences;

  /** Tokens {@code from … to-1} of a sequence in one step. */
  record Slice(int sequence, int from, int to) {}

  /** What a token's attention and rotation came to. */
  record Results(List<float[]> attention, List<float[]> queries) {}

  AttentionRun(Random random, AttentionShape shape, int rotaryDim, boolean normed, int... lengths) {
    this.shape = shape;
    this.rotaryDim = rotaryDim;
    this.normed = normed;
    queryNorm = DeviceFixture.normals(random, shape.headDim());
    keyNorm = DeviceFixture.normals(random, shape.headDim());
    int positions = Arrays.stream(lengths).max().orElseThrow();
    int half = rotaryDim / 2;
    cosines = new float[positions * half];
    sines = new float[positions * half];
    for (int i = 0; i < positions * half; i++) {
      int position = i / half;
      double angle = position * Math.pow(10_000, -(double) (i % half) / half);
      cosines[i] = (float) Math.cos(angle);
      sines[i] = (float) Math.sin(angle);
    }
    sequences = new ArrayList<>();
    for (int length : lengths) {
      sequences.add(DeviceFixture.normals(random, length * shape.qkvColumns()));
    }
  }

  int length(int sequence) {
    return sequences.get(sequence).length / shape.qkvColumns();
  }

  /** Every sequence alone, in one step. */
  List<List<Slice>> oneByOne() {
    List<List<Slice>> steps = new ArrayList<>();
    for (int s = 0; s < sequences.size(); s++) {
      steps.add(List.of(new Slice(s, 0, length(s))));
    }
    return steps;
  }

  /** All sequences together, each in chunks of the given size. */
  List<List<Slice>> chunks(int size) {
    List<List<Slice>> steps = new ArrayList<>();
    for (int from = 0; ; from += size) {
      List<Slice> step = new ArrayList<>();
      for (int s = 0; s < sequences.size(); s++) {
        if (from < length(s)) {
          step.add(new Slice(s, from, Math.min(from + size, length(s))));
        }
      }
      if (step.isEmpty()) {
        return steps;
      }
      steps.add(step);
    }
  }

  /** All sequences together: all but the last tokens in one step, these one by one. */
  List<List<Slice>> prefillThenDecode(int decoded) {
    List<List<Slice>> steps = new ArrayList<>();
    for (int left = decoded; left >= 0; left--) {
      List<Slice> step = new ArrayList<>();
      for (int s = 0; s < sequences.size(); s++) {
        int to = length(s) - left;
        int from = left == decoded ? 0 : to - 1;
        if (to > 0) {
          step.add(new Slice(s, Math.max(0, from), to));
        }
      }
      if (!step.isEmpty()) {
        steps.add(step);
      }
    }
    return steps;
  }

  /** Steps drawn from the random generator: any sequences, chunks of any length. */
  List<List<Slice>> anySchedule(Random random, int maxChunk) {
    List<List<Slice>> steps = new ArrayList<>();
    int[] done = new int[sequences.size()];
    while (true) {
      List<Slice> step = new ArrayList<>();
      boolean finished = true;
      for (int s = 0; s < done.length; s++) {
        finished &= done[s] == length(s);
        if (done[s] < length(s) && random.nextBoolean()) {
          int to = Math.min(done[s] + 1 + random.nextInt(maxChunk), length(s));
          step.add(new Slice(s, done[s], to));
          done[s] = to;
        }
      }
      if (finished) {
        return steps;
      }
      if (!step.isEmpty()) {
        Collections.shuffle(step, random);
        steps.add(step);
      }
    }
  }

  /** Carries out the steps over an arena of garbage, with blocks dealt in random order. */
  Results run(DeviceFixture fixture, List<List<Slice>> steps, Random random) {
    int width = 1 + sequences.stream().mapToInt(this::blocks).max().orElseThrow();
    int rows = sequences.size();
    int blocks = sequences.stream().mapToInt(this::blocks).sum() + 3;
    List<Integer> order = new ArrayList<>();
    for (int b = 0; b < blocks; b++) {
      order.add(b);
    }
    Collections.shuffle(order, random);
    int[] table = new int[rows * width];
    Arrays.fill(table, -1);
    int next = 0;
    for (int s = 0; s < rows; s++) {
      for (int i = 0; i < blocks(sequences.get(s)); i++) {
        table[s * width + i] = order.get(next++);
      }
    }

    Device device = fixture.device;
    KvShape kvShape = new KvShape(LAYERS, shape.kvHeads(), shape.headDim(), fixture.kv);
    KvArena cache = device.allocateKv(kvShape, blocks);
    byte[] garbage = new byte[Math.toIntExact(blocks * kvShape.blockBytes())];
    Arrays.fill(garbage, GARBAGE);
    device.write(cache.memory(), 0, MemorySegment.ofArray(garbage));
    RotaryTable rotary =
        new RotaryTable(
            fixture.floats(cosines),
            fixture.floats(sines),
            sequences.stream().mapToInt(s -> s.length).max().orElseThrow() / shape.qkvColumns(),
            rotaryDim);
    @Nullable QkNorm norm =
        normed
            ? new QkNorm(fixture.floats(queryNorm), fixture.floats(keyNorm), Float64.EPSILON)
            : null;
    Buffer blockTable = fixture.ints(table);

    int outColumns = shape.heads() * shape.headDim();
    List<float[]> attention = new ArrayList<>();
    List<float[]> queries = new ArrayList<>();
    for (float[] sequence : sequences) {
      int length = sequence.length / shape.qkvColumns();
      attention.add(new float[length * outColumns]);
      queries.add(new float[length * outColumns]);
    }
    int most = steps.stream().mapToInt(AttentionRun::tokens).max().orElseThrow();
    Buffer[] inputs = new Buffer[6];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = fixture.ints(new int[Math.max(most + 1, 3)]);
    }
    StepInputs step =
        new StepInputs(
            inputs[5],
            inputs[0],
            inputs[0],
            inputs[1],
            inputs[2],
            inputs[3],
            inputs[4],
            blockTable,
            width,
            inputs[0],
            null);
    Buffer qkv = fixture.activations(most * shape.qkvColumns());
    Buffer out = fixture.activations(most * outColumns);
    for (List<Slice> slices : steps) {
      fill(device, step, slices);
      int tokens = step.tokens();
      float[] rowsOfStep = new float[tokens * shape.qkvColumns()];
      int at = 0;
      for (Slice slice : slices) {
        int from = slice.from() * shape.qkvColumns();
        int count = (slice.to() - slice.from()) * shape.qkvColumns();
        System.arraycopy(sequences.get(slice.sequence()), from, rowsOfStep, at, count);
        at += count;
      }
      device.write(
          qkv, 0, MemorySegment.ofArray(DeviceFixture.encode(fixture.activation, rowsOfStep)));
      fixture.kernels.rotateAndCache(step, shape, norm, rotary, qkv, cache, LAYER);
      fixture.kernels.attention(step, shape, qkv, cache, LAYER, out);
      float[] outs = fixture.readActivations(out, tokens * outColumns);
      float[] rotated = fixture.readActivations(qkv, tokens * shape.qkvColumns());
      int t = 0;
      for (Slice slice : slices) {
        for (int p = slice.from(); p < slice.to(); p++, t++) {
          float[] whole = attention.get(slice.sequence());
          System.arraycopy(outs, t * outColumns, whole, p * outColumns, outColumns);
          float[] query = queries.get(slice.sequence());
          System.arraycopy(rotated, t * shape.qkvColumns(), query, p * outColumns, outColumns);
        }
      }
    }
    for (Buffer buffer : List.of(cache.memory(), qkv, out)) {
      device.free(buffer);
    }
    return new Results(attention, queries);
  }

  private int blocks(float[] sequence) {
    int length = sequence.length / shape.qkvColumns();
    return (length + KvShape.BLOCK_TOKENS - 1) / KvShape.BLOCK_TOKENS;
  }

  private static int tokens(List<Slice> slices) {
    return slices.stream().mapToInt(s -> s.to() - s.from()).sum();
  }

  private static void fill(Device device, StepInputs step, List<Slice> slices) {
    int tokens = tokens(slices);
    int[] positions = new int[tokens];
    int[] tokenSlices = new int[tokens];
    int[] offsets = new int[slices.size() + 1];
    int[] lengths = new int[slices.size()];
    int[] rows = new int[slices.size()];
    int t = 0;
    for (int s = 0; s < slices.size(); s++) {
      Slice slice = slices.get(s);
      for (int p = slice.from(); p < slice.to(); p++, t++) {
        positions[t] = p;
        tokenSlices[t] = s;
      }
      offsets[s + 1] = t;
      lengths[s] = slice.to();
      rows[s] = slice.sequence();
    }
    device.write(step.positions(), 0, MemorySegment.ofArray(positions));
    device.write(step.tokenSlices(), 0, MemorySegment.ofArray(tokenSlices));
    device.write(step.sliceOffsets(), 0, MemorySegment.ofArray(offsets));
    device.write(step.kvLengths(), 0, MemorySegment.ofArray(lengths));
    device.write(step.blockTableRows(), 0, MemorySegment.ofArray(rows));
    int[] counts = {tokens, slices.size(), 0};
    device.write(step.counts(), 0, MemorySegment.ofArray(counts));
    step.counts(tokens, slices.size(), 0);
    device.kernels().prepare(step);
  }
}
