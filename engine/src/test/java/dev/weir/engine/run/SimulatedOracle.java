package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a simulated model draws, computed without engine, blocks or steps: the definition in {@code
 * SimulatedKernels}, written down a second time.
 */
final class SimulatedOracle {
  private static final long ORIGIN = 0x5DEECE66DL;

  private SimulatedOracle() {}

  /** Throws unless all tokens that follow the prompt are those of a lone run. */
  static void check(Sequence sequence) {
    int[] tokens = sequence.tokens();
    int prompt = sequence.job.prompt().length;
    if (sequence.length() == prompt) {
      return;
    }
    long[] states = new long[sequence.length()];
    for (int position = 0; position < sequence.length() - 1; position++) {
      long before = position == 0 ? ORIGIN : states[position - 1];
      long earlier = position == 0 ? 0 : states[(int) ((before >>> 33) % position)];
      states[position] = mix(31 * before + earlier + tokens[position]);
      if (position + 1 >= prompt) {
        long mixed = mix(states[position] ^ mix(sequence.seed + position + 1));
        int expected = (int) Long.remainderUnsigned(mixed, SimulatedWorld.VOCABULARY);
        if (tokens[position + 1] != expected) {
          assertThat(tokens[position + 1])
              .as("the token at %d, behind a prompt of %d", position + 1, prompt)
              .isEqualTo(expected);
        }
      }
    }
  }

  private static long mix(long value) {
    long z = value;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
