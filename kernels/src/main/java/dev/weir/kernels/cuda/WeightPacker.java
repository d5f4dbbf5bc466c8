package dev.weir.kernels.cuda;

import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.LinearWeight;
import java.lang.foreign.MemorySegment;

/**
 * Brings weights into their packed form: rows are copied to the device as they are, a piece at a
 * time, and a kernel there puts them where they belong. So a model is loaded as fast as it is
 * copied.
 */
final class WeightPacker {
  /** The longest piece. A row is in one piece, which bounds the columns of a weight. */
  private static final long PIECE_BYTES = BounceBuffers.BYTES;

  private static final int ELEMENT_BYTES = 2;

  /** The most input features of a weight: 4 Mi. */
  static final int MAX_COLUMNS = (int) (PIECE_BYTES / ELEMENT_BYTES);

  private static final int ARGUMENTS = 5;

  private final Stream stream;
  private final BounceBuffers bounce;
  private final DeviceBuffer piece;
  private final Launch pack;

  WeightPacker(Module module, Stream stream, BounceBuffers bounce, CudaMemory memory) {
    this.stream = stream;
    this.bounce = bounce;
    piece = memory.allocate(PIECE_BYTES, "weights on their way");
    pack = new Launch(module, "pack_rows", ARGUMENTS);
  }

  /** Packs rows; the source may change after the call. */
  void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    long rowBytes = (long) weight.columns() * ELEMENT_BYTES;
    if (source.byteSize() < count * rowBytes) {
      throw new IllegalArgumentException(
          "pack: "
              + count
              + " rows of "
              + weight.columns()
              + " "
              + weight.type()
              + " are "
              + count * rowBytes
              + " bytes; the source has "
              + source.byteSize());
    }
    int most = (int) (PIECE_BYTES / rowBytes);
    for (int row = 0; row < count; row += most) {
      int rows = Math.min(most, count - row);
      bounce.write(piece.address(), source.asSlice(row * rowBytes, rows * rowBytes));
      pack.set(0, piece.address())
          .set(1, weight.packed().address())
          .set(2, firstRow + row)
          .set(3, rows)
          .set(4, weight.columns())
          .grid(rows, 1, 1)
          .on(stream);
    }
  }
}
