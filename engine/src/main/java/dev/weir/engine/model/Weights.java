package dev.weir.engine.model;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.TensorView;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model's weights in device memory, in the form the kernels stream. Matrices keep the
 * checkpoint's type; norms and biases are F32.
 *
 * @param type the matrices' type
 * @param embedding [vocabulary][hidden]
 * @param layers decoder blocks
 * @param finalNorm F32 [hidden]
 * @param head [vocabulary][hidden]; the embedding itself where the model ties them
 */
public record Weights(
    DType type, LinearWeight embedding, List<Layer> layers, Buffer finalNorm, LinearWeight head) {

  /** One decoder block; shapes as in {@link ModelLayout.Layer}. */
  public record Layer(
      Buffer inputNorm,
      LinearWeight qkv,
      @Nullable Buffer queryNorm,
      @Nullable Buffer keyNorm,
      LinearWeight output,
      Buffer postAttentionNorm,
      LinearWeight gateUp,
      LinearWeight down) {}

  /**
   * Packs a checkpoint's tensors into device memory, one at a time: beside the weights, at most one
   * tensor of the file is resident.
   *
   * @throws dev.weir.engine.load.ModelLoadException before any memory is taken, if a tensor is
   *     missing or wrong
   * @throws dev.weir.kernels.DeviceMemoryException if the device is too small
   */
  public static Weights load(
      Checkpoint checkpoint, ModelConfig config, Device device, LoadProgress progress) {
    ModelLayout layout = ModelLayout.of(config);
    DType type = device.weightType(layout.validate(checkpoint));
    Packer packer = new Packer(checkpoint, device, type, totalElements(layout), progress);
    LinearWeight embedding = packer.matrix(layout.embedding(), null);
    List<Layer> layers = new ArrayList<>(config.layers());
    for (ModelLayout.Layer layer : layout.layers()) {
      layers.add(
          new Layer(
              packer.vector(layer.inputNorm()),
              packer.matrix(layer.qkv(), layer.qkvBias()),
              packer.optionalVector(layer.queryNorm()),
              packer.optionalVector(layer.keyNorm()),
              packer.matrix(layer.output(), layer.outputBias()),
              packer.vector(layer.postAttentionNorm()),
              packer.matrix(layer.gateUp(), null),
              packer.matrix(layer.down(), null)));
    }
    Buffer finalNorm = packer.vector(layout.finalNorm());
    WeightSpec head = layout.head();
    return new Weights(
        type,
        embedding,
        List.copyOf(layers),
        finalNorm,
        head == null ? embedding : packer.matrix(head, null));
  }

  private static long totalElements(ModelLayout layout) {
    return layout.weights().mapToLong(spec -> (long) spec.rows() * spec.columns()).sum();
  }

  /** Packs one weight after the other and tells how far it is. */
  private static final class Packer {
    /** A piece of so many elements is rounded at a time: some megabytes. */
    private static final int ROUNDED_ELEMENTS = 1 << 20;

    private final Checkpoint checkpoint;
    private final Device device;
    private final DType type;
    private final long total;
    private final LoadProgress progress;
    private long elements;

    Packer(Checkpoint checkpoint, Device device, DType type, long total, LoadProgress progress) {
      this.checkpoint = checkpoint;
      this.device = device;
      this.type = type;
      this.total = total;
      this.progress = progress;
    }

    LinearWeight matrix(WeightSpec spec, @Nullable WeightSpec bias) {
      LinearWeight weight = device.allocateLinear(type, spec.rows(), spec.columns(), nameOf(spec));
      int row = 0;
      for (WeightSpec.Part part : spec.parts()) {
        TensorView tensor = tensor(part);
        pack(weight, row, part, tensor);
        checkpoint.release(tensor);
        row += part.rows();
        advance((long) part.rows() * spec.columns());
      }
      return bias == null ? weight : weight.withBias(vector(bias));
    }

    private void pack(LinearWeight weight, int row, WeightSpec.Part part, TensorView tensor) {
      if (tensor.dtype() == type) {
        device.pack(weight, row, part.rows(), tensor.rows(part.firstRow(), part.rows()));
        return;
      }
      int columns = weight.columns();
      int piece = Math.max(1, ROUNDED_ELEMENTS / columns);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment rounded = arena.allocate((long) piece * columns * type.bytes(), type.bytes());
        for (int done = 0; done < part.rows(); done += piece) {
          int count = Math.min(piece, part.rows() - done);
          MemorySegment source = tensor.rows(part.firstRow() + done, count);
          round(source, tensor.dtype(), rounded, count * columns);
          device.pack(
              weight, row + done, count, rounded.asSlice(0, (long) count * columns * type.bytes()));
        }
      }
    }

    /** To the type that the device keeps, to nearest, ties to even. */
    private void round(MemorySegment from, DType stored, MemorySegment to, int count) {
      for (int i = 0; i < count; i++) {
        float value = element(from, stored, i);
        switch (type) {
          case BF16 -> to.setAtIndex(ValueLayout.JAVA_SHORT, i, bf16(value));
          case F16 -> to.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
          case F32 -> to.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
          case I32 -> throw new IllegalArgumentException("integers are no weights");
        }
      }
    }

    private static short bf16(float value) {
      int bits = Float.floatToRawIntBits(value);
      int nearest = bits + 0x7FFF + (bits >>> Short.SIZE & 1);
      // Rounding must not carry a NaN's payload over into infinity.
      return (short) ((Float.isNaN(value) ? bits | 0x400000 : nearest) >>> Short.SIZE);
    }

    @Nullable Buffer optionalVector(@Nullable WeightSpec spec) {
      return spec == null ? null : vector(spec);
    }

    Buffer vector(WeightSpec spec) {
      Buffer buffer = device.allocate((long) spec.rows() * Float.BYTES, nameOf(spec));
      long at = 0;
      for (WeightSpec.Part part : spec.parts()) {
        TensorView tensor = tensor(part);
        MemorySegment source = tensor.rows(part.firstRow(), part.rows());
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment floats = arena.allocate((long) part.rows() * Float.BYTES, Float.BYTES);
          toFloats(source, tensor.dtype(), floats, part.rows());
          device.write(buffer, at, floats);
        }
        at += (long) part.rows() * Float.BYTES;
        advance(part.rows());
      }
      return buffer;
    }

    private TensorView tensor(WeightSpec.Part part) {
      return checkpoint.find(part.stored().name()).orElseThrow();
    }

    private static String nameOf(WeightSpec spec) {
      return spec.parts().getFirst().stored().name();
    }

    private void advance(long count) {
      elements += count;
      progress.loaded(elements * type.bytes(), total * type.bytes());
    }

    private static void toFloats(MemorySegment from, DType type, MemorySegment to, int count) {
      for (int i = 0; i < count; i++) {
        to.setAtIndex(ValueLayout.JAVA_FLOAT, i, element(from, type, i));
      }
    }

    private static float element(MemorySegment from, DType type, int index) {
      return switch (type) {
        case F32 -> from.get(ValueLayout.JAVA_FLOAT_UNALIGNED, (long) index * Float.BYTES);
        case F16 -> Float.float16ToFloat(half(from, index));
        case BF16 -> Float.intBitsToFloat(half(from, index) << Short.SIZE);
        case I32 -> throw new IllegalArgumentException("integers are no weights");
      };
    }

    private static short half(MemorySegment from, int index) {
      return from.get(ValueLayout.JAVA_SHORT_UNALIGNED, (long) index * Short.BYTES);
    }
  }
}
