package dev.weir.kernels;

/** The ops of one step, in order: what {@link Device#compute} runs, or records and replays. */
@FunctionalInterface
public interface StepProgram {

  /** Calls the ops; allocates nothing, and does the same for any two steps of the same counts. */
  void run(StepInputs step);
}
