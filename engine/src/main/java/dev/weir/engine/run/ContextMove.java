package dev.weir.engine.run;

/**
 * Blocks of a sequence's context on their way to its device: pairs of a source, which lies on
 * another device or in host memory, and a destination among the sequence's own blocks. Holds a
 * reference to each of them until it has ended, so that a sequence may leave at any time.
 */
final class ContextMove {
  final Sequence sequence;

  /** The device that they go to. */
  final int device;

  private final int[] sources;
  private final int[] destinations;
  private int count;
  private int copied;
  private int moving;
  private boolean abandoned;

  ContextMove(Sequence sequence, int device, int capacity) {
    this.sequence = sequence;
    this.device = device;
    sources = new int[capacity];
    destinations = new int[capacity];
  }

  void add(int source, int destination) {
    sources[count] = source;
    destinations[count++] = destination;
  }

  int count() {
    return count;
  }

  int source(int index) {
    return sources[index];
  }

  int destination(int index) {
    return destinations[index];
  }

  /** How many of the pairs are copied, the first ones. */
  int copied() {
    return copied;
  }

  /** How many of the next ones are in the batch that is under way. */
  int moving() {
    return moving;
  }

  /** So many of the next ones are in a batch. */
  void begin(int pairs) {
    assert moving == 0 && copied + pairs <= count;
    moving = pairs;
  }

  /** That batch is copied. */
  void finish() {
    copied += moving;
    moving = 0;
  }

  /** That batch failed: nothing of it counts. */
  void drop() {
    moving = 0;
  }

  /** The sequence does not want them any more. */
  void abandon() {
    abandoned = true;
  }

  boolean abandoned() {
    return abandoned;
  }
}
