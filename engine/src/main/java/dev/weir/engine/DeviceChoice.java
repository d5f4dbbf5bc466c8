package dev.weir.engine;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What computes. */
public sealed interface DeviceChoice {
  /** The fastest there is: the first GPU, else the CPU. */
  DeviceChoice AUTO = new Auto();

  /** C kernels on the CPU. */
  DeviceChoice CPU = new Cpu();

  /** Portable Java on the CPU: slow, and the oracle of the others. */
  DeviceChoice REFERENCE = new Reference();

  /** The first NVIDIA GPU. */
  DeviceChoice CUDA = new Cuda(0);

  /**
   * An NVIDIA GPU.
   *
   * @param ordinal its number, from 0
   */
  static DeviceChoice cuda(int ordinal) {
    return new Cuda(ordinal);
  }

  /** The choice as options spell it: {@code auto}, {@code cpu}, {@code cuda:1}, … */
  String option();

  /**
   * The choice that an option spells.
   *
   * @throws IllegalArgumentException if there is no such choice; names those there are
   */
  static DeviceChoice parse(String option) {
    return switch (option) {
      case "auto" -> AUTO;
      case "cpu" -> CPU;
      case "reference" -> REFERENCE;
      case "cuda" -> CUDA;
      default -> {
        Matcher numbered = Cuda.NUMBERED.matcher(option);
        if (!numbered.matches()) {
          throw new IllegalArgumentException(
              "'" + option + "' is not one of auto, cuda, cuda:N, cpu, reference");
        }
        yield cuda(Integer.parseInt(numbered.group(1)));
      }
    };
  }

  /** See {@link #AUTO}. */
  record Auto() implements DeviceChoice {
    @Override
    public String option() {
      return "auto";
    }
  }

  /** See {@link #CPU}. */
  record Cpu() implements DeviceChoice {
    @Override
    public String option() {
      return "cpu";
    }
  }

  /** See {@link #REFERENCE}. */
  record Reference() implements DeviceChoice {
    @Override
    public String option() {
      return "reference";
    }
  }

  /** See {@link #cuda}. */
  record Cuda(int ordinal) implements DeviceChoice {
    /** No machine has thousands of GPUs. */
    private static final Pattern NUMBERED = Pattern.compile("cuda:(\\d{1,3})");

    public Cuda {
      if (ordinal < 0) {
        throw new IllegalArgumentException("GPUs are numbered from 0, not " + ordinal);
      }
    }

    @Override
    public String option() {
      return ordinal == 0 ? "cuda" : "cuda:" + ordinal;
    }
  }
}
