package dev.weir.engine.run;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The sequences that run, in order of admission; each has a slot, a row of the block table. */
final class RunningSequences {
  private final @Nullable Sequence[] sequences;
  private int count;
  private final int[] freeSlots;
  private int freeSlotCount;

  RunningSequences(int slots) {
    sequences = new Sequence[slots];
    freeSlots = new int[slots];
    for (int slot = 0; slot < slots; slot++) {
      freeSlots[slot] = slots - 1 - slot; // low numbers first: dumps read better
    }
    freeSlotCount = slots;
  }

  int count() {
    return count;
  }

  boolean hasFreeSlot() {
    return freeSlotCount > 0;
  }

  /** The sequence that was admitted as the index-th of those that still run. */
  Sequence get(int index) {
    return Objects.requireNonNull(sequences[index]);
  }

  /** Gives a sequence a slot; it is the youngest. */
  void add(Sequence sequence) {
    assert sequence.slot == Sequence.NO_SLOT;
    sequence.slot = freeSlots[--freeSlotCount];
    sequences[count++] = sequence;
  }

  /** Takes a sequence's slot; the order of the others stays. */
  void remove(Sequence sequence) {
    int index = 0;
    while (sequences[index] != sequence) {
      index++;
    }
    System.arraycopy(sequences, index + 1, sequences, index, count - index - 1);
    sequences[--count] = null;
    freeSlots[freeSlotCount++] = sequence.slot;
    sequence.slot = Sequence.NO_SLOT;
  }
}
