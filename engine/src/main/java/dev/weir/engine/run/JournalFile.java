package dev.weir.engine.run;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A journal that was read.
 *
 * @param header what ran
 * @param arrivals requests, in order; the n-th has number n, unless records are missing
 * @param placements where sequences were admitted, in order
 * @param steps steps, in order
 * @param ends how choices ended, in order
 * @param missing how many records the engine could not write down
 * @param closed whether the engine was closed in order; else it was killed or still runs
 * @param cut what is wrong with the last line, if that was only begun to be written; all before it
 *     is there
 */
public record JournalFile(
    JournalRecord.Header header,
    List<JournalRecord.Arrival> arrivals,
    List<JournalRecord.Placement> placements,
    List<JournalRecord.Step> steps,
    List<JournalRecord.End> ends,
    long missing,
    boolean closed,
    Optional<JournalException> cut) {

  private static final int BUFFER = 1 << 16;

  /**
   * Reads a file. A last line that nothing ends is what a killed engine leaves: it is left out.
   *
   * @throws JournalException if it is none of Weir's journals, or is wrong somewhere
   */
  public static JournalFile read(Path file) {
    JournalRecord.Header header = null;
    List<JournalRecord.Arrival> arrivals = new ArrayList<>();
    List<JournalRecord.Placement> placements = new ArrayList<>();
    List<JournalRecord.Step> steps = new ArrayList<>();
    List<JournalRecord.End> ends = new ArrayList<>();
    long missing = 0;
    boolean closed = false;
    Optional<JournalException> cut = Optional.empty();
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER)) {
      JournalLines lines = new JournalLines(in, file);
      while (lines.next()) {
        JournalRecord record;
        try {
          record = JournalJson.parse(lines);
        } catch (JournalException broken) {
          if (lines.ended() || header == null) {
            throw broken;
          }
          cut = Optional.of(broken);
          break;
        }
        if ((header == null) != record instanceof JournalRecord.Header || closed) {
          throw lines.wrong(
              header == null ? "this is no journal of Weir" : "a second journal begins here", null);
        }
        switch (record) {
          case JournalRecord.Header first -> header = first;
          case JournalRecord.Arrival arrival -> arrivals.add(arrival);
          case JournalRecord.Placement placement -> placements.add(placement);
          case JournalRecord.Step step -> steps.add(step);
          case JournalRecord.End end -> ends.add(end);
          case JournalRecord.Gap gap -> missing += gap.records();
          case JournalRecord.Closed end -> closed = true;
        }
      }
    } catch (IOException e) {
      throw JournalException.unreadable(file, e);
    }
    if (header == null) {
      throw new JournalException(file, "the file is empty", null);
    }
    return new JournalFile(header, arrivals, placements, steps, ends, missing, closed, cut);
  }
}
