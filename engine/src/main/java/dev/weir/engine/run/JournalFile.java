package dev.weir.engine.run;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A journal that was read.
 *
 * @param header what ran
 * @param arrivals requests, in order; the n-th has number n, unless records are missing
 * @param steps steps, in order
 * @param ends how choices ended, in order
 * @param missing how many records the engine could not write down
 * @param closed whether the engine was closed in order; else it was killed or still runs
 */
public record JournalFile(
    JournalRecord.Header header,
    List<JournalRecord.Arrival> arrivals,
    List<JournalRecord.Step> steps,
    List<JournalRecord.End> ends,
    long missing,
    boolean closed) {

  /** A prompt of a million tokens takes less. */
  private static final int MAX_LINE = 1 << 26;

  /**
   * Reads a file.
   *
   * @throws JournalException if it is none of Weir's journals, or is cut off or wrong somewhere
   */
  public static JournalFile read(Path file) {
    JournalRecord.Header header = null;
    List<JournalRecord.Arrival> arrivals = new ArrayList<>();
    List<JournalRecord.Step> steps = new ArrayList<>();
    List<JournalRecord.End> ends = new ArrayList<>();
    long missing = 0;
    boolean closed = false;
    int number = 0;
    try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        number++;
        if (line.length() > MAX_LINE) {
          throw new JournalException(file, number, "the line is too long");
        }
        JournalRecord record = JournalJson.parse(line, file, number);
        if ((number == 1) != record instanceof JournalRecord.Header || closed) {
          throw new JournalException(
              file,
              number,
              number == 1 ? "this is no journal of Weir" : "a second journal begins here");
        }
        switch (record) {
          case JournalRecord.Header first -> header = first;
          case JournalRecord.Arrival arrival -> arrivals.add(arrival);
          case JournalRecord.Step step -> steps.add(step);
          case JournalRecord.End end -> ends.add(end);
          case JournalRecord.Gap gap -> missing += gap.records();
          case JournalRecord.Closed end -> closed = true;
        }
      }
    } catch (IOException e) {
      throw new JournalException(file, number, "it cannot be read: " + e, e);
    }
    if (header == null) {
      throw new JournalException(file, number, "the file is empty");
    }
    return new JournalFile(header, arrivals, steps, ends, missing, closed);
  }
}
