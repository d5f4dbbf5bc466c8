package dev.weir.engine.run;

import dev.weir.engine.request.JournalStats;
import java.io.IOException;
import java.io.Writer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * What a step loop does, written down: arrivals with everything that decides their tokens, steps
 * with what was planned, predicted and measured, and how each choice ended. A run can be repeated
 * from it bit for bit, and planned again in another way.
 *
 * <p>The step thread hands records over through a {@link JournalRing}; a thread of the journal's
 * own formats and appends them, a line of JSON each. It ends when the step loop does; a file that
 * cannot be written to is given up with a warning, {@link #stats} says so from then on, and the
 * engine runs on.
 */
public final class Journal implements AutoCloseable {
  private static final Logger LOG = System.getLogger(Journal.class.getName());

  /** How long records lie in memory. */
  private static final long POLL_NANOS = 20_000_000;

  private static final Duration CLOSE_TIME = Duration.ofSeconds(30);

  private final JournalRing ring = new JournalRing();
  private final Consumer<JournalRecord> into;
  private final Thread writer =
      Thread.ofPlatform().name("weir-journal").daemon(true).unstarted(this::write);
  private volatile boolean closed;

  /**
   * A journal that somebody else takes the records of, with {@link #drain}.
   *
   * @param into what gets them
   */
  public Journal(Consumer<JournalRecord> into) {
    this.into = into;
  }

  /**
   * Finds out whether there can be a new file, so that nobody loads a model in vain.
   *
   * @throws JournalException if not
   */
  public static void check(Path file) {
    try {
      Files.createFile(file);
      Files.delete(file);
    } catch (IOException e) {
      throw JournalException.notMade(file, e);
    }
  }

  /**
   * A journal in a new file; its thread starts at once.
   *
   * @throws JournalException if there is such a file already, or none can be made
   */
  public static Journal create(Path file, JournalRecord.Header header) {
    try {
      return begin(
          Files.newBufferedWriter(file, StandardCharsets.UTF_8, StandardOpenOption.CREATE_NEW),
          file,
          header);
    } catch (IOException e) {
      throw JournalException.notMade(file, e);
    }
  }

  /** A journal in a file that is open and empty. */
  static Journal begin(Writer out, Path file, JournalRecord.Header header) throws IOException {
    out.write(JournalJson.line(header) + '\n');
    out.flush();
    Journal journal = new Journal(new Lines(out, file));
    journal.writer.start();
    return journal;
  }

  JournalRing ring() {
    return ring;
  }

  /** Takes all records that are there; only where there is no file. */
  public void drain() {
    ring.drain(into);
  }

  /** Any thread: whether all of it is written down. */
  public JournalStats stats() {
    return into instanceof Lines lines ? lines.stats() : JournalStats.NOTHING_LOST;
  }

  private void write() {
    Lines lines = (Lines) into;
    while (!closed) {
      LockSupport.parkNanos(this, POLL_NANOS);
      ring.drain(lines);
      lines.flush();
    }
    ring.drain(lines);
    if (ring.droppedAtTheEnd() > 0) {
      lines.accept(new JournalRecord.Gap(ring.droppedAtTheEnd()));
    }
    lines.accept(new JournalRecord.Closed());
    lines.close();
  }

  /** After the step loop has ended: writes what is left, and the last line. */
  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(writer);
    try {
      if (writer.isAlive() && !writer.join(CLOSE_TIME)) {
        LOG.log(Level.WARNING, "the journal's last records are still being written");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The file; after its first failure it takes nothing more. */
  private static final class Lines implements Consumer<JournalRecord> {
    private final Writer out;
    private final Path file;
    private final AtomicLong lost = new AtomicLong();
    private volatile boolean failed;

    /** Records that may be in memory only. */
    private long unflushed;

    Lines(Writer out, Path file) {
      this.out = out;
      this.file = file;
    }

    JournalStats stats() {
      return new JournalStats(failed, lost.get());
    }

    @Override
    public void accept(JournalRecord record) {
      switch (record) {
        case JournalRecord.Gap gap -> lost.addAndGet(gap.records());
        case JournalRecord.Closed end -> {}
        default -> unflushed++;
      }
      attempt(() -> out.write(JournalJson.line(record) + '\n'));
    }

    void flush() {
      attempt(
          () -> {
            out.flush();
            unflushed = 0;
          });
    }

    void close() {
      attempt(out::close);
    }

    private void attempt(Writing action) {
      if (!failed) {
        try {
          action.run();
          return;
        } catch (IOException e) {
          failed = true;
          LOG.log(Level.WARNING, "the journal " + file + " ends here: it cannot be written to", e);
        }
      }
      lost.addAndGet(unflushed);
      unflushed = 0;
    }

    private interface Writing {
      void run() throws IOException;
    }
  }
}
