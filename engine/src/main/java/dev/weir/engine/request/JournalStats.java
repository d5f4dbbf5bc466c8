package dev.weir.engine.request;

/**
 * Whether what an engine does is still written down.
 *
 * @param failed whether the journal's file could not be written to: it ends there, and the engine
 *     runs on
 * @param lostRecords records that are not in the file: those that came faster than they were
 *     written, and if it failed all since it was last written to
 */
public record JournalStats(boolean failed, long lostRecords) {
  /** Where everything is written down, or nothing is to be. */
  public static final JournalStats NOTHING_LOST = new JournalStats(false, 0);
}
