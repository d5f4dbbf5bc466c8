package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.UnsupportedShapeException;

/**
 * Launches {@code sample.cu}: three kernels over chunks of the vocabulary, for as many rows at a
 * time as scratch memory is set aside for. Parameters were checked.
 */
final class CudaSample {
  /** Tokens of a block: {@code CHUNK} of {@code sample.cu}. */
  private static final int CHUNK = 2048;

  /** As many chunks as a block has threads. */
  static final int MAX_VOCABULARY = 128 * CHUNK;

  /** Rows that are sampled at a time; a step seldom has more, and then launches again. */
  private static final int MAX_ROWS = 256;

  /** {@code sizeof(SampleScratch)} of {@code sample.cu}. */
  private static final int ROW_SCRATCH_BYTES = 36_096;

  /** What the constructor's scratch memory must hold: 9 MiB. */
  static final long SCRATCH_BYTES = (long) MAX_ROWS * ROW_SCRATCH_BYTES;

  private static final int ARGUMENTS = 10;
  private static final int FIRST_ROW = 9;

  private final Stream stream;
  private final Launch scan;
  private final Launch weigh;
  private final Launch choose;

  CudaSample(Module module, Stream stream, DeviceBuffer scratch) {
    this.stream = stream;
    scan = launch(module, "sample_scan", scratch);
    weigh = launch(module, "sample_weigh", scratch);
    choose = launch(module, "sample_choose", scratch);
  }

  private static Launch launch(Module module, String kernel, DeviceBuffer scratch) {
    return new Launch(module, kernel, ARGUMENTS).set(7, scratch.address());
  }

  /**
   * @throws UnsupportedShapeException if the vocabulary is too large
   */
  static void requireSupported(int vocabulary) {
    if (vocabulary > MAX_VOCABULARY) {
      throw new UnsupportedShapeException(
          "a vocabulary of "
              + vocabulary
              + " tokens; on a GPU at most "
              + MAX_VOCABULARY
              + " can be sampled from");
    }
  }

  /**
   * Samples.
   *
   * @param counts address of the step's {@code counts}, where rows from R on are left alone; 0
   *     where all rows are there
   * @param logits stay as they are
   */
  void sample(
      long counts,
      int rows,
      int vocabulary,
      Buffer logits,
      SampleBuffers parameters,
      Buffer results) {
    requireSupported(vocabulary);
    set(scan, counts, vocabulary, logits, parameters, results);
    set(weigh, counts, vocabulary, logits, parameters, results);
    set(choose, counts, vocabulary, logits, parameters, results);
    int chunks = Math.ceilDiv(vocabulary, CHUNK);
    for (int first = 0; first < rows; first += MAX_ROWS) {
      int count = Math.min(MAX_ROWS, rows - first);
      scan.set(FIRST_ROW, first).grid(chunks, count, 1).on(stream);
      weigh.set(FIRST_ROW, first).grid(chunks, count, 1).on(stream);
      choose.set(FIRST_ROW, first).grid(chunks, count, 1).on(stream);
    }
  }

  private static void set(
      Launch launch,
      long counts,
      int vocabulary,
      Buffer logits,
      SampleBuffers parameters,
      Buffer results) {
    launch
        .set(0, counts)
        .set(1, logits.address())
        .set(2, parameters.rows().address())
        .set(3, parameters.biases().address())
        .set(4, parameters.penalties().address())
        .set(5, parameters.masks().address())
        .set(6, results.address())
        .set(8, vocabulary);
  }
}
