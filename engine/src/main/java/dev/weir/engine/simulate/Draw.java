package dev.weir.engine.simulate;

/** Which token a simulated model draws. */
@FunctionalInterface
public interface Draw {

  /** Any token, as likely as any other: what the sequence holds, its seed and its place decide. */
  static Draw uniform(int vocabulary) {
    return (seed, position, state) ->
        (int)
            Long.remainderUnsigned(
                SimulatedKernels.mix(state ^ SimulatedKernels.mix(seed + position)), vocabulary);
  }

  /**
   * The token at a position.
   *
   * @param seed of the choice
   * @param position that the token will have
   * @param state stands for all tokens before it, as far as their KV was where it should be
   */
  int token(long seed, int position, long state);
}
