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

  /** More looks at the clock than any loop needs before something begins or ends. */
  private static final int MOST_ASKED = 100_000;

  private long now;
  private int asked;
  private int looks;
  private long soonest = Long.MAX_VALUE;

  /**
   * The time.
   *
   * @throws IllegalStateException if it was asked for again and again, and nothing has begun or
   *     ended meanwhile: who asks waits for what never comes
   */
  @Override
  public long nanos() {
    if (++asked > MOST_ASKED) {
      throw new IllegalStateException(
          "the time was asked for %d times, and nothing began or ended: somebody waits for what never comes"
              .formatted(MOST_ASKED));
    }
    return now;
  }

  /** Waits until a moment; one that has passed changes nothing. */
  public void advanceTo(long nanos) {
    if (nanos > now) {
      asked = 0;
      now = nanos;
    }
  }

  /** Something was begun: time does not leap before everything was looked at again. */
  void begun() {
    asked = 0;
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
