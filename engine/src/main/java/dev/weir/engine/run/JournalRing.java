package dev.weir.engine.run;

import dev.weir.engine.plan.StepWork;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.kernels.KvShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Records between the step thread and who writes them down: the one never waits, formats or
 * allocates, the other takes what is there. What finds no room is counted, and the count takes its
 * place. A record is a row of longs; what is long and does not change any more (a prompt, an
 * output) is referred to in a row of objects beside it.
 */
final class JournalRing {
  /** Room for some thousands of steps: what a busy engine does in seconds. */
  static final int WORDS = 1 << 19;

  /** Arrivals and ends under way at most. */
  static final int SUBJECTS = 1 << 14;

  private static final int ARRIVAL = 1;
  private static final int STEP = 2;
  private static final int END = 3;
  private static final int GAP = 4;
  private static final int PLACEMENT = 5;

  // Words of a record, its kind included.
  private static final int ARRIVAL_WORDS = 3;
  private static final int STEP_WORDS = 9;
  private static final int END_WORDS = 4;
  private static final int GAP_WORDS = 2;
  private static final int PLACEMENT_WORDS = 8;

  // An entry of a step in one word: the request's number, the choice, the length, whether it drew.
  private static final int REQUEST_SHIFT = 32;
  private static final int CHOICE_SHIFT = 24;
  private static final int CHOICE_MASK = 0xFF;
  private static final int LENGTH_MASK = 0x7FFFFF;

  private final long[] words = new long[WORDS];
  private final @Nullable Object[] subjects = new Object[SUBJECTS];
  private final AtomicLong written = new AtomicLong();
  private final AtomicLong read = new AtomicLong();
  private final AtomicLong subjectsRead = new AtomicLong();

  // The step thread's.
  private long at;
  private long subjectAt;
  private long arrivals;
  private long dropped;

  // The reader's.
  private long from;
  private long subjectFrom;

  /** Step thread: a request was taken. */
  void arrival(Job job) {
    if (!begin(ARRIVAL_WORDS, 1)) {
      return;
    }
    job.journalNumber = arrivals++;
    put(ARRIVAL);
    put(job.journalNumber);
    put(job.submittedNanos);
    put(job);
    written.setRelease(at);
  }

  /**
   * Step thread: a sequence was admitted, with its blocks and with what is to be copied.
   *
   * @param restored how many of its blocks come from host memory
   */
  void placement(Sequence sequence, int restored, long nanos) {
    if (sequence.job.journalNumber < 0 || !begin(PLACEMENT_WORDS, 0)) {
      return;
    }
    int moved = sequence.move == null ? 0 : sequence.move.count();
    put(PLACEMENT);
    put(sequence.job.journalNumber << REQUEST_SHIFT | sequence.choice);
    put(nanos);
    put(sequence.shard);
    put(sequence.computed - (long) moved * KvShape.BLOCK_TOKENS);
    put((long) (moved - restored) * KvShape.BLOCK_TOKENS);
    put((long) restored * KvShape.BLOCK_TOKENS);
    put(sequence.length() - sequence.computed);
    written.setRelease(at);
  }

  /** Step thread: a step is done, and none of its sequences was told so yet. */
  void step(int device, long endNanos, long nanos, StepFrame frame) {
    if (!begin(STEP_WORDS + frame.slices(), 0)) {
      return;
    }
    StepWork work = frame.plan().work();
    put(STEP);
    put(device);
    put(endNanos);
    put(nanos);
    put((long) frame.plan().predictedNanos());
    put(work.tokens());
    put(Double.doubleToRawLongBits(work.prefillPairs()));
    put(Double.doubleToRawLongBits(work.context()));
    put(frame.slices());
    int row = 0;
    for (int slice = 0; slice < frame.slices(); slice++) {
      Sequence sequence = frame.sequence(slice);
      boolean samples = row < frame.samples() && frame.sampled(row) == sequence;
      row += samples ? 1 : 0;
      boolean drew = samples && sequence.runs();
      put(
          sequence.job.journalNumber << REQUEST_SHIFT
              | (long) sequence.choice << CHOICE_SHIFT
              | (long) frame.length(slice) << 1
              | (drew ? 1 : 0));
    }
    written.setRelease(at);
  }

  /** Step thread: a choice of a request that has arrived ended. */
  void end(Sequence sequence, Ending ending, long nanos) {
    if (sequence.job.journalNumber < 0 || !begin(END_WORDS, 2)) {
      return;
    }
    put(END);
    put(sequence.job.journalNumber << REQUEST_SHIFT | sequence.choice);
    put(nanos);
    put(sequence.length());
    put(sequence);
    put(ending);
    written.setRelease(at);
  }

  /** Whether there is room for a record, and for the count of those that had none. */
  private boolean begin(int count, int objects) {
    boolean room =
        at + GAP_WORDS + count - read.getAcquire() <= WORDS
            && subjectAt + objects - subjectsRead.getAcquire() <= SUBJECTS;
    if (!room) {
      dropped++;
      return false;
    }
    if (dropped > 0) {
      put(GAP);
      put(dropped);
      dropped = 0;
    }
    return true;
  }

  private void put(long word) {
    words[(int) (at++ & (WORDS - 1))] = word;
  }

  private void put(Object subject) {
    subjects[(int) (subjectAt++ & (SUBJECTS - 1))] = subject;
  }

  /** Reader: takes all that is there. */
  void drain(Consumer<JournalRecord> into) {
    long end = written.getAcquire();
    while (from < end) {
      into.accept(next());
      read.setRelease(from);
      subjectsRead.setRelease(subjectFrom);
    }
  }

  /** Reader, once the step thread has ended: how many records found no room at last. */
  long droppedAtTheEnd() {
    return dropped;
  }

  private JournalRecord next() {
    int kind = (int) take();
    return switch (kind) {
      case ARRIVAL -> {
        long number = take();
        long nanos = take();
        yield new JournalRecord.Arrival(number, nanos, request((Job) subject()));
      }
      case STEP ->
          new JournalRecord.Step(
              (int) take(),
              take(),
              take(),
              take(),
              (int) take(),
              Double.longBitsToDouble(take()),
              Double.longBitsToDouble(take()),
              entries());
      case END -> {
        long which = take();
        long nanos = take();
        int length = (int) take();
        Sequence sequence = (Sequence) subject();
        FinishReason reason = ((Ending) subject()).reason();
        int prompt = sequence.job.prompt().length;
        yield new JournalRecord.End(
            which >> REQUEST_SHIFT,
            (int) which,
            nanos,
            reason == null ? JournalRecord.End.FAILED : reason.name(),
            Arrays.copyOfRange(sequence.tokens(), prompt, length));
      }
      case GAP -> new JournalRecord.Gap(take());
      case PLACEMENT -> {
        long which = take();
        yield new JournalRecord.Placement(
            which >> REQUEST_SHIFT,
            (int) which,
            take(),
            (int) take(),
            (int) take(),
            (int) take(),
            (int) take(),
            (int) take());
      }
      default -> throw new IllegalStateException("no record is of kind " + kind);
    };
  }

  private List<JournalRecord.Entry> entries() {
    int count = (int) take();
    List<JournalRecord.Entry> entries = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      long word = take();
      entries.add(
          new JournalRecord.Entry(
              word >> REQUEST_SHIFT,
              (int) (word >> CHOICE_SHIFT) & CHOICE_MASK,
              (int) (word >> 1) & LENGTH_MASK,
              (word & 1) == 1));
    }
    return entries;
  }

  private long take() {
    return words[(int) (from++ & (WORDS - 1))];
  }

  private Object subject() {
    int index = (int) (subjectFrom++ & (SUBJECTS - 1));
    Object subject = Objects.requireNonNull(subjects[index]);
    subjects[index] = null;
    return subject;
  }

  /** The request as it is to be asked again: with its tokens and its seed. */
  private static Request request(Job job) {
    Request asked = job.request();
    Sampling sampling = asked.sampling().withSeed(job.sequences()[0].seed);
    return new Request(
        Prompt.of(job.prompt()),
        sampling,
        asked.choices(),
        asked.skipSpecialTokens(),
        asked.terms());
  }
}
