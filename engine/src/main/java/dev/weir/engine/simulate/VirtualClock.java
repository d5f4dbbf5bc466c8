package dev.weir.engine.simulate;

import dev.weir.engine.run.Clock;

/**
 * Time that passes only where somebody waits for it: the host's own work takes none. One clock for
 * all devices of a simulation; not thread-safe.
 */
public final class VirtualClock implements Clock {
  private long now;

  @Override
  public long nanos() {
    return now;
  }

  /** Waits until a moment; one that has passed changes nothing. */
  public void advanceTo(long nanos) {
    now = Math.max(now, nanos);
  }
}
