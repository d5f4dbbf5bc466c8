package dev.weir.kernels;

/** Marks a point in a device's work that the host can wait for. Made once, used step after step. */
public interface Completion {

  /** The completion of a device whose ops are done when they return. */
  Completion DONE = () -> {};

  /** Waits until the device has come to where this was marked last. */
  void await();
}
