package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.JournalStats;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A journal whose file cannot be written to, or not fast enough: it says so. */
class JournalOnAFullDiskTest {
  private static final int REQUESTS = 5;
  private static final Path NAME = Path.of("full.journal");
  private static final JournalRecord.Header HEADER =
      new JournalRecord.Header("test", Map.of(), "none", Map.of());

  /** Who flushes says so, and waits. */
  private record Gate(CountDownLatch reached, CountDownLatch open) {}

  /** A file on a disk with so much room. */
  private static final class Disk extends Writer {
    private final StringBuilder file = new StringBuilder();
    private final int room;

    volatile @Nullable Gate gate;

    Disk(int room) {
      this.room = room;
    }

    @Override
    public void write(char[] text, int offset, int length) throws IOException {
      int fits = Math.min(length, room - file.length());
      file.append(text, offset, fits);
      if (fits < length) {
        throw new IOException("No space left on device");
      }
    }

    @Override
    public void flush() {
      Gate here = gate;
      if (here != null) {
        here.reached.countDown();
        await(here.open);
      }
    }

    @Override
    public void close() {}

    /** Whole lines. */
    List<String> lines() {
      return file.substring(0, file.lastIndexOf("\n") + 1).lines().toList();
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static int headerLength() {
    return JournalJson.line(HEADER).length() + 1;
  }

  @Test
  void theJournalEndsWithOneWarningAndEverythingElseGoesOn(@TempDir Path folder)
      throws IOException, InterruptedException {
    List<LogRecord> warnings = new ArrayList<>();
    Handler listener = listener(warnings);
    Logger log = Logger.getLogger(Journal.class.getName());
    log.addHandler(listener);
    try (HandDriven model =
        new HandDriven(TinyModel.write(folder, DType.F32, 1), HandDriven.fastest())) {
      StepLoop loop = model.roomy(REQUESTS);
      Journal journal = Journal.begin(new Disk(headerLength()), NAME, HEADER);
      loop.writeTo(journal);
      assertThat(journal.stats()).isEqualTo(JournalStats.NOTHING_LOST);
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        int[] prompt = {1, 2, 3 + i};
        Request request = Request.of(Prompt.of(prompt), Sampling.greedy(4));
        generations.add(loop.submit(request, prompt));
      }
      HandDriven.drain(loop);
      for (Generation one : generations) {
        assertThat(one.await().choices().getFirst().tokenIds()).isNotEmpty();
      }
      journal.close();

      long records = 3 * REQUESTS + loop.stats().steps(); // arrival, placement, end
      assertThat(journal.stats()).isEqualTo(new JournalStats(true, records));
      assertThat(warnings)
          .singleElement()
          .extracting(LogRecord::getMessage)
          .asString()
          .contains(NAME.toString(), "cannot be written to");
    } finally {
      log.removeHandler(listener);
    }
  }

  private static Handler listener(List<LogRecord> records) {
    return new Handler() {
      @Override
      public synchronized void publish(LogRecord record) {
        records.add(record);
      }

      @Override
      public void flush() {}

      @Override
      public void close() {}
    };
  }

  @Test
  void whatWasWrittenBeforeIsThereAndWhatIsLostIsCounted() throws IOException {
    for (int room = headerLength(); room < headerLength() + 2000; room += 97) {
      Disk disk = new Disk(room);
      Journal journal = Journal.begin(disk, NAME, HEADER);
      for (int i = 0; i < 100; i++) {
        JournalRingTest.write(journal.ring(), JournalRingTest.job(), i);
      }
      journal.close();

      JournalStats stats = journal.stats();
      assertThat(stats.failed()).as("room for " + room).isTrue();
      // Whatever it was not told to be on the disk may be lost, even where it is not.
      assertThat(stats.lostRecords()).isBetween(301L - disk.lines().size(), 300L);
    }
  }

  @Test
  void whatCameFasterThanItWasWrittenIsCountedToo() throws IOException {
    Disk disk = new Disk(Integer.MAX_VALUE);
    Journal journal = Journal.begin(disk, NAME, HEADER);
    Gate gate = new Gate(new CountDownLatch(1), new CountDownLatch(1));
    disk.gate = gate;
    await(gate.reached);
    int requests = JournalRing.SUBJECTS;
    for (int i = 0; i < requests; i++) {
      JournalRingTest.write(journal.ring(), JournalRingTest.job(), i);
    }
    disk.gate = null;
    gate.open.countDown();
    journal.close();

    JournalStats stats = journal.stats();
    assertThat(stats.failed()).isFalse();
    assertThat(stats.lostRecords()).isPositive();
    long written =
        disk.lines().stream()
            .filter(line -> line.matches(".*\"type\":\"(arrival|placement|end)\".*"))
            .count();
    // Of a request whose arrival found no room nothing else is recorded.
    long unheardOf = requests - arrivals(disk);
    assertThat(written + stats.lostRecords()).isEqualTo(3L * requests - 2 * unheardOf);
  }

  private static long arrivals(Disk disk) {
    return disk.lines().stream().filter(line -> line.contains("\"type\":\"arrival\"")).count();
  }

  @Test
  void aDiskThatIsFullFromTheStartIsAnError() {
    assertThatThrownBy(() -> Journal.begin(new Disk(headerLength() - 1), NAME, HEADER))
        .isInstanceOf(IOException.class);
  }
}
