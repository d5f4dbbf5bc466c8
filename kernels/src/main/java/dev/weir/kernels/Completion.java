package dev.weir.kernels;

/** Marks a point in a device's work that the host can wait for. Made once, used again and again. */
public interface Completion {

  /** The completion of a device whose ops are done when they return. */
  Completion DONE = new AlwaysDone();

  /** Waits until the device has come to where this was marked last. */
  void await();

  /**
   * Whether the device has come to where this was marked last; does not wait. After {@code true}
   * all is as after {@link #await}.
   *
   * @throws DeviceLostException as {@link #await}, so that who only asks learns it as well
   */
  boolean done();
}
