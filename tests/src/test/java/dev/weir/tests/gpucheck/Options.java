package dev.weir.tests.gpucheck;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * How gpu-check was called.
 *
 * @param device what is checked
 * @param smoke tiny shapes and few rounds: shows that the check itself works
 * @param sections which sections run
 * @param seed what fresh random inputs are drawn from
 * @param limit the time for all of it
 * @param out where the results are written
 * @param work where models of random weights are written and removed again; empty: wherever there
 *     is room
 * @param torch the Python that is tried for the same shapes through PyTorch
 */
record Options(
    Checked device,
    boolean smoke,
    Set<String> sections,
    long seed,
    Duration limit,
    Path out,
    String work,
    String torch) {

  static final String USAGE =
      """
      usage: gpu-check [--out FOLDER] [--seed N] [--sections A,B,...] [--seconds N] [--work FOLDER]
                       [--python PROGRAM] [--device cuda|cpu|reference] [--smoke]

        --out FOLDER     where the table and the machine-readable rows go (default: gpu-check-results)
        --seed N         repeat the random inputs of an earlier run (it printed its seed)
        --sections ...   some of: %s
        --seconds N      the time for all of it (default: %d; at most %d)
        --work FOLDER    where models with random weights are written, up to 16 GB (default: where there is room)
        --python PROGRAM the Python that is asked for PyTorch (default: python3)
        --device DEVICE  what is checked (default: cuda)
        --smoke          tiny shapes: shows that the check works, says nothing about speed
      """;

  /** Under nine minutes, with what the report itself takes. */
  private static final int DEFAULT_SECONDS = 525;

  private static final int MAX_SECONDS = 3600;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException naming what was wrong
   */
  static Options parse(List<String> arguments) {
    String device = "cuda";
    boolean smoke = false;
    Set<String> sections = Set.copyOf(GpuCheck.SECTIONS);
    long seed = System.nanoTime();
    int seconds = DEFAULT_SECONDS;
    Path out = Path.of("gpu-check-results");
    String work = "";
    String torch = "python3";
    for (Iterator<String> rest = arguments.iterator(); rest.hasNext(); ) {
      String option = rest.next();
      switch (option) {
        case "--smoke" -> smoke = true;
        case "--device" -> device = value(option, rest);
        case "--sections" -> sections = sections(value(option, rest));
        case "--seed" -> seed = number(option, value(option, rest), Long.MIN_VALUE, Long.MAX_VALUE);
        case "--seconds" -> seconds = (int) number(option, value(option, rest), 1, MAX_SECONDS);
        case "--out" -> out = Path.of(value(option, rest));
        case "--work" -> work = value(option, rest);
        case "--python" -> torch = value(option, rest);
        default -> throw new IllegalArgumentException("no option '" + option + "'");
      }
    }
    Duration limit = Duration.ofSeconds(seconds);
    return new Options(
        Checked.of(device), smoke, sections, seed, limit, out.toAbsolutePath(), work, torch);
  }

  /** The command line of a process that runs one section in so many seconds. */
  List<String> arguments(int seconds) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--device", device.option(),
                "--seed", Long.toString(seed),
                "--seconds", Integer.toString(seconds),
                "--out", out.toString(),
                "--work", work,
                "--python", torch));
    if (smoke) {
      arguments.add("--smoke");
    }
    return arguments;
  }

  static String usage() {
    return USAGE.formatted(String.join(", ", GpuCheck.SECTIONS), DEFAULT_SECONDS, MAX_SECONDS);
  }

  private static Set<String> sections(String list) {
    Set<String> names =
        Arrays.stream(list.toLowerCase(Locale.ROOT).split(",")).collect(Collectors.toSet());
    for (String name : names) {
      if (!GpuCheck.SECTIONS.contains(name)) {
        throw new IllegalArgumentException("no section '" + name + "'");
      }
    }
    return names;
  }

  private static String value(String option, Iterator<String> rest) {
    if (!rest.hasNext()) {
      throw new IllegalArgumentException(option + " needs a value");
    }
    return rest.next();
  }

  private static long number(String option, String text, long least, long most) {
    try {
      long value = Long.parseLong(text);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new IllegalArgumentException(option + " needs a number from " + least + " to " + most);
  }
}
