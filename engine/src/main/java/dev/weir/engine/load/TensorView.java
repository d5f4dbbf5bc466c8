package dev.weir.engine.load;

import dev.weir.kernels.DType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/**
 * A tensor inside a mapped file. Row-major, little-endian, and <em>not aligned</em>: read elements
 * with the {@code _UNALIGNED} layouts. Valid until its file is closed.
 *
 * @param file the file that holds it
 * @param name its name; data from a stranger, not a path and not necessarily printable
 * @param type element type
 * @param shape dimensions, outermost first; empty for a scalar
 * @param data its bytes, read-only: exactly the product of {@code shape} × {@code type}
 */
public record TensorView(
    Path file, String name, StoredType type, List<Long> shape, MemorySegment data) {

  /** Copies the shape. */
  public TensorView {
    shape = List.copyOf(shape);
  }

  /**
   * The type its elements are computed in.
   *
   * @throws ModelLoadException if Weir does not compute with the stored type
   */
  public DType dtype() {
    return type.computed()
        .orElseThrow(
            () ->
                new ModelLoadException(
                    file,
                    "tensor " + ModelLoadException.quote(name),
                    "has element type " + type + ", but weights must be BF16, F16 or F32",
                    "use an unquantised checkpoint of the model"));
  }

  /** How many elements it has. */
  public long elements() {
    return shape.stream().mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
  }

  /**
   * The bytes of {@code count} consecutive rows of the first dimension.
   *
   * @throws IndexOutOfBoundsException if it has no such rows
   */
  public MemorySegment rows(long first, long count) {
    if (shape.isEmpty()) {
      throw new IndexOutOfBoundsException("a scalar has no rows");
    }
    long rows = shape.getFirst();
    Objects.checkFromIndexSize(first, count, rows);
    long rowBytes = rows == 0 ? 0 : data.byteSize() / rows;
    return data.asSlice(first * rowBytes, count * rowBytes);
  }
}
