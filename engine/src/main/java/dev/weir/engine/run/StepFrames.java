package dev.weir.engine.run;

import dev.weir.kernels.Device;
import dev.weir.kernels.Staging;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * The frames of consecutive steps, which take turns: one where the device computes while the host
 * waits, two where the host fills one while the device computes the other. Then each step's drawn
 * tokens are the other's input.
 */
final class StepFrames {
  private static final Logger LOG = System.getLogger(StepFrames.class.getName());

  private final StepFrame[] frames;
  private long launched;
  private long completed;

  StepFrames(DeviceModel model, int firstBlock, LoopOptions options) {
    Device device = model.device();
    frames = new StepFrame[device.asynchronous() ? 2 : 1];
    Staging[] results = new Staging[frames.length];
    for (int i = 0; i < results.length; i++) {
      results[i] = Sampler.results(device, options.slots());
    }
    for (int i = 0; i < frames.length; i++) {
      frames[i] =
          new StepFrame(
              model,
              firstBlock,
              options,
              results[i],
              frames.length == 1 ? null : results[1 - i].device());
    }
  }

  int count() {
    return frames.length;
  }

  /** How many steps were launched and are not completed. */
  int inFlight() {
    return (int) (launched - completed);
  }

  /** Whether no frame is left for {@link #next}. */
  boolean allInFlight() {
    return inFlight() == frames.length;
  }

  /** The frame of the step to come. */
  StepFrame next() {
    assert !allInFlight();
    return frames[(int) (launched % frames.length)];
  }

  /** The frame that was {@link #next} is in flight. */
  void launched() {
    launched++;
  }

  /** The frame that has been in flight for longest. */
  StepFrame oldest() {
    assert inFlight() > 0;
    return frames[(int) (completed % frames.length)];
  }

  /**
   * Looks at all that is in flight, so that each step is known to have ended when it did.
   *
   * @return whether the oldest is done
   */
  boolean look(Clock clock) {
    boolean done = inFlight() > 0 && oldest().done(clock);
    for (long next = completed + 1; done && next < launched; next++) {
      if (!frames[(int) (next % frames.length)].done(clock)) {
        break;
      }
    }
    return done;
  }

  /** The frame that was {@link #oldest} is done. */
  void completed() {
    completed++;
  }

  /** A row of the block table is another sequence's from now on. */
  void clearRow(int slot) {
    for (StepFrame frame : frames) {
      frame.batch().clearRow(slot);
    }
  }

  /**
   * After a failure: waits until the device is done with all of the frames' memory, and forgets
   * what was in flight.
   */
  void abandon() {
    for (StepFrame frame : frames) {
      try {
        frame.settle();
      } catch (RuntimeException | Error failure) {
        LOG.log(Level.DEBUG, "the device did not settle after a failure", failure);
      }
      frame.clear();
    }
    completed = launched;
  }
}
