package dev.weir.engine.simulate;

import dev.weir.engine.run.Clock;

/**
 * Time that passes only where somebody waits for it: the host's own work takes none. One clock for
 * all devices of a simulation; not thread-safe.
 *
 * <p>Who does not wait but asks again and again whether something is done sees time leap to the
 * first moment that was asked for, once nothing else happens between the looks.
 */
public final class VirtualClock implements Clock {
  /** Enough to ask every device of a simulation for its step and its copies. */
  private static final int LOOKS = 64;

  private long now;
  private int looks;
  private long soonest = Long.MAX_VALUE;

  @Override
  public long nanos() {
    return now;
  }

  /** Waits until a moment; one that has passed changes nothing. */
  public void advanceTo(long nanos) {
    now = Math.max(now, nanos);
  }

  /** Something was begun: time does not leap before everything was looked at again. */
  void begun() {
    looks = 0;
    soonest = Long.MAX_VALUE;
  }

  /** Whether a moment has passed. */
  boolean passed(long nanos) {
    if (nanos <= now) {
      begun();
      return true;
    }
    soonest = Math.min(soonest, nanos);
    if (++looks >= LOOKS) {
      advanceTo(soonest);
      begun();
    }
    return false;
  }
}
