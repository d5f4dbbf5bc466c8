package dev.weir.engine.run;

import dev.weir.engine.request.StepRecord;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * The last steps, for whoever wants to look: written by the step thread without waiting or
 * allocating, read by anyone. A reader drops what was overwritten while it read.
 */
final class StepLog {
  /** A few minutes of a busy engine on processors, seconds on a GPU. */
  static final int CAPACITY = 4096;

  // Longs of an entry.
  private static final int DEVICE = 0;
  private static final int END = 1;
  private static final int NANOS = 2;
  private static final int PREDICTED = 3;
  private static final int DECODE = 4;
  private static final int DECODE_ROWS = 5;
  private static final int PREFILL_TOKENS = 6;
  private static final int PREFILLS = 7;
  private static final int WIDTH = 8;

  private final AtomicLongArray ring = new AtomicLongArray(CAPACITY * WIDTH);
  private final AtomicLong begun = new AtomicLong();
  private final AtomicLong written = new AtomicLong();

  /** Step thread: a step is done. */
  void add(int device, long end, long nanos, StepFrame frame) {
    long number = written.getPlain();
    begun.setOpaque(number + 1);
    VarHandle.storeStoreFence(); // readers of what follows see that the oldest entry is going
    int at = at(number);
    ring.setOpaque(at + DEVICE, device);
    ring.setOpaque(at + END, end);
    ring.setOpaque(at + NANOS, nanos);
    ring.setOpaque(at + PREDICTED, (long) frame.plan().predictedNanos());
    ring.setOpaque(at + DECODE, (long) frame.plan().decodeNanos());
    ring.setOpaque(at + DECODE_ROWS, frame.plan().decodeRows());
    ring.setOpaque(at + PREFILL_TOKENS, frame.prefillTokens());
    ring.setOpaque(at + PREFILLS, frame.slices() - frame.plan().decodeRows());
    written.setRelease(number + 1);
  }

  /** Anyone: the steps with a greater number that are still there, oldest first. */
  List<StepRecord> after(long number) {
    long end = written.getAcquire();
    List<StepRecord> records = new ArrayList<>();
    for (long next = Math.max(number + 1, end - CAPACITY); next < end; next++) {
      int at = at(next);
      StepRecord record =
          new StepRecord(
              next,
              (int) ring.getOpaque(at + DEVICE),
              ring.getOpaque(at + END),
              ring.getOpaque(at + NANOS),
              ring.getOpaque(at + PREDICTED),
              ring.getOpaque(at + DECODE),
              (int) ring.getOpaque(at + DECODE_ROWS),
              (int) ring.getOpaque(at + PREFILL_TOKENS),
              (int) ring.getOpaque(at + PREFILLS));
      VarHandle.loadLoadFence();
      if (next >= begun.getOpaque() - CAPACITY) {
        records.add(record);
      }
    }
    return records;
  }

  private static int at(long number) {
    return (int) (number % CAPACITY) * WIDTH;
  }
}
