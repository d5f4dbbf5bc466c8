package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.sun.management.ThreadMXBean;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TimeLimits;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Records on their way from the step thread to the file. */
class JournalRingTest {
  private static final int PROMPT = 5;
  private static final int OUTPUTS = 3;
  private static final TokenLog.Ending STOPPED = new TokenLog.Ending(FinishReason.STOP, null);

  /** More than the compiler needs. */
  private static final int WARM_UP = 20_000;

  private final JournalRing ring = new JournalRing();
  private final List<JournalRecord> records = new ArrayList<>();

  static Job job() {
    Request request =
        Request.of(Prompt.of(1, 2, 3, 4, 5), Sampling.builder().maxTokens(OUTPUTS).build());
    return new Job(request, new int[PROMPT], PROMPT + OUTPUTS, 10, new int[0], 1, TimeLimits.NONE);
  }

  static void write(JournalRing ring, Job job, int nanos) {
    Sequence sequence = job.sequences()[0];
    job.submittedNanos = nanos;
    ring.arrival(job);
    ring.placement(sequence, 0, nanos + 1L);
    ring.end(sequence, STOPPED, nanos + 2L);
  }

  @Test
  void whatIsWrittenIsReadInOrderHoweverOftenTheRingGoesRound() {
    Job job = job();
    int requests = 3 * JournalRing.SUBJECTS;
    for (int i = 0; i < requests; i++) {
      write(ring, job, 10 * i);
      if (i % 1000 == 999) {
        ring.drain(records::add);
      }
    }
    ring.drain(records::add);
    assertThat(records).hasSize(3 * requests);
    for (int i = 0; i < requests; i++) {
      assertThat(((JournalRecord.Arrival) records.get(3 * i)).number()).isEqualTo(i);
      assertThat(records.get(3 * i + 1))
          .isEqualTo(new JournalRecord.Placement(i, 0, 10L * i + 1, 0, 0, 0, 0, PROMPT));
      JournalRecord.End end = (JournalRecord.End) records.get(3 * i + 2);
      assertThat(end.request()).isEqualTo(i);
      assertThat(end.nanos()).isEqualTo(10L * i + 2);
      assertThat(end.reason()).isEqualTo("STOP");
    }
    assertThat(ring.droppedAtTheEnd()).isZero();
  }

  @Test
  void whatFindsNoRoomIsCountedInItsPlace() {
    Job job = job();
    int room = JournalRing.SUBJECTS / 3; // an arrival and an end are three subjects
    int dropped = 100;
    for (int i = 0; i < room + dropped; i++) {
      write(ring, job, i);
    }
    ring.drain(records::add);
    long missing = ring.droppedAtTheEnd();
    assertThat(missing).isPositive();
    write(ring, job, 7);
    ring.drain(records::add);
    int last = records.size();
    assertThat(records.get(last - 4)).isEqualTo(new JournalRecord.Gap(missing));
    assertThat(records.get(last - 3)).isInstanceOf(JournalRecord.Arrival.class);
    assertThat(records.get(last - 1)).isInstanceOf(JournalRecord.End.class);
    assertThat(ring.droppedAtTheEnd()).isZero();
  }

  @Test
  void arrivalsPlacementsAndEndsAllocateNothingOnTheStepThread() {
    assumeThat(ManagementFactory.getThreadMXBean())
        .as("skipped: this JVM does not count allocations")
        .isInstanceOf(ThreadMXBean.class);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Job job = job();
    for (int i = 0; i < WARM_UP; i++) {
      write(ring, job, i);
      ring.drain(record -> {});
      threads.getCurrentThreadAllocatedBytes();
    }
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 8 && least > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 1000; i++) {
        write(ring, job, i);
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      ring.drain(record -> {});
    }
    assertThat(least).as("bytes in the best of the rounds").isZero();
  }
}
