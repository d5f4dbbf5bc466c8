package dev.weir.engine.run;

/** Where the step loop reads time; tests put their own in its place. */
public interface Clock {

  /** Nanoseconds since an arbitrary moment; never runs backwards. */
  long nanos();
}
