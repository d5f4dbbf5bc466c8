package dev.weir.tests.gpucheck;

import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.cuda.CudaProbes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.StringJoiner;

/**
 * Records what the GPU's primitives do, as golden files for the emulator: one line per probe, its
 * name and the words it wrote, in hexadecimal. The input is the same everywhere.
 */
final class Probes {
  private static final String SECTION = "probes";

  /** Any bits will do, as long as they are always the same. */
  private static final long INPUT_SEED = 1;

  private Probes() {}

  static void run(Options options, Report report) throws IOException {
    if (options.device() != Checked.CUDA) {
      report.note(SECTION, "probes are of a GPU");
      return;
    }
    int[] in = new Random(INPUT_SEED).ints(CudaProbes.IN_WORDS).toArray();
    try (CudaDevice device = CudaDevice.open(0)) {
      SortedMap<String, int[]> first = CudaProbes.run(device, in);
      SortedMap<String, int[]> again = CudaProbes.run(device, in);
      StringBuilder file = new StringBuilder();
      for (Map.Entry<String, int[]> probe : first.entrySet()) {
        boolean same = Arrays.equals(probe.getValue(), again.get(probe.getKey()));
        String name = probe.getKey() + " says the same twice";
        if (same) {
          report.passed(SECTION, name, "");
        } else {
          report.failed(SECTION, name, "its words differ");
        }
        file.append(probe.getKey()).append('\t').append(words(probe.getValue())).append('\n');
      }
      Files.createDirectories(options.out());
      Path golden = options.out().resolve("probes.tsv");
      Files.writeString(golden, file);
      report.note(SECTION, first.size() + " probes are recorded in " + golden);
    }
  }

  private static String words(int[] values) {
    StringJoiner words = new StringJoiner(" ");
    for (int value : values) {
      words.add(Integer.toHexString(value));
    }
    return words.toString();
  }
}
