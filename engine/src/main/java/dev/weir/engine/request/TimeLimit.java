package dev.weir.engine.request;

/** A clock of a request that can run out. */
public enum TimeLimit {
  /** Time spent waiting to be admitted, while the engine worked for others. */
  QUEUE,
  /** Engine time until the first token: copying and prefill, not waiting. */
  FIRST_TOKEN,
  /** Engine time in all: copying, prefill and decode, not waiting, nor what others' work cost. */
  TOTAL
}
