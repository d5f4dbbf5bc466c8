package dev.weir.tests.gpucheck;

import dev.weir.engine.DeviceChoice;
import java.util.Arrays;
import java.util.Locale;

/**
 * The kind of device that is checked: a GPU, or to try out the check itself, what every machine
 * has.
 */
enum Checked {
  CUDA,
  CPU,
  REFERENCE;

  /**
   * @throws IllegalArgumentException if there is no such device
   */
  static Checked of(String option) {
    return Arrays.stream(values())
        .filter(device -> device.option().equals(option))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no device '" + option + "'"));
  }

  /** As the command line and the kernels' tests spell it. */
  String option() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The engine's name for it. */
  DeviceChoice choice() {
    return switch (this) {
      case CUDA -> DeviceChoice.CUDA;
      case CPU -> DeviceChoice.CPU;
      case REFERENCE -> DeviceChoice.REFERENCE;
    };
  }
}
