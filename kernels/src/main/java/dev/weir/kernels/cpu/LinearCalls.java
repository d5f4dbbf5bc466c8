package dev.weir.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/** The linear family: linear, logits, embed, pack. */
final class LinearCalls {
  private static final MethodHandle PACKED_BYTES =
      NativeLibrary.function("weir_packed_bytes", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);

  /** (device, rows, in, type, outputs, columns, packed, bias, out). */
  private static final MethodHandle LINEAR =
      NativeLibrary.operation(
          "weir_linear",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG);

  /** (device, count, ids, type, rows, columns, packed, out). */
  private static final MethodHandle EMBED =
      NativeLibrary.operation(
          "weir_embed",
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG);

  /** (device, type, columns, packed, firstRow, count, source). */
  private static final MethodHandle PACK =
      NativeLibrary.operation(
          "weir_pack", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private LinearCalls() {}

  static long packedBytes(DType type, int rows, int columns) {
    try {
      return (long) PACKED_BYTES.invokeExact(Native.code(type), (long) rows, (long) columns);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
  }

  private static long packedAddress(LinearWeight weight, String op) {
    Checks.positive(weight.rows(), op, "the weight's row count");
    Checks.positive(weight.columns(), op, "the weight's column count");
    if (weight.type() == DType.I32) {
      throw new IllegalArgumentException(op + ": weights are F32, F16 or BF16, not I32");
    }
    long bytes = packedBytes(weight.type(), weight.rows(), weight.columns());
    return Checks.address(weight.packed(), bytes, 1, op, "the packed weight");
  }

  static void linear(String op, long device, int rows, Buffer in, LinearWeight weight, Buffer out) {
    Checks.notNegative(rows, op, "rows");
    if (rows == 0) {
      return;
    }
    long packed = packedAddress(weight, op);
    long bias = Checks.optionalAddress(weight.bias(), weight.rows(), Float.BYTES, op, "bias");
    long from = Checks.address(in, (long) rows * weight.columns(), Float.BYTES, op, "in");
    long to = Checks.address(out, (long) rows * weight.rows(), Float.BYTES, op, "out");
    int status;
    try {
      status =
          (int)
              LINEAR.invokeExact(
                  device,
                  (long) rows,
                  from,
                  Native.code(weight.type()),
                  (long) weight.rows(),
                  (long) weight.columns(),
                  packed,
                  bias,
                  to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    if (status != Native.OK) {
      throw Native.failure(op + " " + rows + " rows by " + shape(weight), status);
    }
  }

  static void embed(long device, int count, Buffer ids, LinearWeight table, Buffer out) {
    if (count == 0) {
      return;
    }
    long packed = packedAddress(table, "embed");
    long from = Checks.address(ids, count, Integer.BYTES, "embed", "token ids");
    long to = Checks.address(out, (long) count * table.columns(), Float.BYTES, "embed", "out");
    int status;
    try {
      status =
          (int)
              EMBED.invokeExact(
                  device,
                  (long) count,
                  from,
                  Native.code(table.type()),
                  (long) table.rows(),
                  (long) table.columns(),
                  packed,
                  to);
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    if (status != Native.OK) {
      throw Native.failure("embed " + count + " tokens from " + shape(table), status);
    }
  }

  static void pack(
      long device, LinearWeight weight, int firstRow, int count, MemorySegment source) {
    Objects.checkFromIndexSize(firstRow, count, weight.rows());
    if (count == 0) {
      return;
    }
    long packed = packedAddress(weight, "pack");
    long needed = (long) count * weight.columns() * weight.type().bytes();
    if (!source.isNative() || source.byteSize() < needed) {
      throw new IllegalArgumentException(
          "pack: "
              + count
              + " rows of "
              + shape(weight)
              + " are "
              + needed
              + " bytes of native memory; the source has "
              + source.byteSize()
              + (source.isNative() ? "" : " on the heap"));
    }
    int status;
    try {
      status =
          (int)
              PACK.invokeExact(
                  device,
                  Native.code(weight.type()),
                  (long) weight.columns(),
                  packed,
                  (long) firstRow,
                  (long) count,
                  source.address());
    } catch (Throwable e) {
      throw Native.unexpected(e);
    }
    if (status != Native.OK) {
      throw Native.failure("pack " + count + " rows of " + shape(weight), status);
    }
  }

  private static String shape(LinearWeight weight) {
    return weight.type() + " [" + weight.rows() + "][" + weight.columns() + "]";
  }
}
