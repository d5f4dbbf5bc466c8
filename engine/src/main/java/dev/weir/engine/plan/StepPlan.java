package dev.weir.engine.plan;

import java.util.Arrays;

/** How many tokens of each entry of a {@link StepDemand} the next step computes. */
public final class StepPlan {
  private final int[] lengths;
  private final StepWork work = new StepWork();
  private int decodeRows;
  private int prefillTokens;
  private double predictedNanos;
  private double decodeNanos;

  public StepPlan(int capacity) {
    lengths = new int[capacity];
  }

  void clear(int entries) {
    Arrays.fill(lengths, 0, entries, 0);
    work.clear();
    decodeRows = 0;
    prefillTokens = 0;
    predictedNanos = 0;
    decodeNanos = 0;
  }

  void decode(int entry, int prefix) {
    lengths[entry] = 1;
    work.addDecode(prefix);
    decodeRows++;
  }

  void prefill(int entry, int prefix, int length) {
    lengths[entry] = length;
    work.addPrefill(prefix, length);
    prefillTokens += length;
  }

  void predicted(double nanos, double decodeRowsNanos) {
    predictedNanos = nanos;
    decodeNanos = decodeRowsNanos;
  }

  /** Tokens of an entry in this step; 0: it waits. */
  public int length(int entry) {
    return lengths[entry];
  }

  /** What the step's cost depends on. */
  public StepWork work() {
    return work;
  }

  public int decodeRows() {
    return decodeRows;
  }

  public int prefillTokens() {
    return prefillTokens;
  }

  /** What the cost model expects. */
  public double predictedNanos() {
    return predictedNanos;
  }

  /** What the cost model expects of the decode rows alone; 0 if there is none. */
  public double decodeNanos() {
    return decodeNanos;
  }

  /** Which part of the step's time its prompts are expected to take beside its decode rows. */
  public double prefillShare() {
    return predictedNanos > 0 ? 1 - decodeNanos / predictedNanos : 0;
  }
}
