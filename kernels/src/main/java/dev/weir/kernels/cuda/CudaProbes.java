package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a GPU's primitives make of given words ({@code probe.cu}): recorded on a real one, it is
 * what the emulator is held against.
 */
public final class CudaProbes {
  /** Words that each probe reads. */
  public static final int IN_WORDS = 1024;

  /** The most words that a probe writes. */
  public static final int OUT_WORDS = 4 * IN_WORDS;

  /** What a probe leaves where it writes nothing: no result of the probes is this on purpose. */
  public static final int UNWRITTEN = 0xDEADBEEF;

  private CudaProbes() {}

  /**
   * Runs every probe.
   *
   * @param in {@link #IN_WORDS} words of any bits
   * @return by the probe's name, {@link #OUT_WORDS} words
   */
  public static SortedMap<String, int[]> run(CudaDevice device, int[] in) {
    if (in.length != IN_WORDS) {
      throw new IllegalArgumentException("probes read " + IN_WORDS + " words, not " + in.length);
    }
    Buffer from = device.allocate((long) IN_WORDS * Integer.BYTES, "what probes read");
    Buffer to = device.allocate((long) OUT_WORDS * Integer.BYTES, "what probes write");
    try {
      device.write(from, 0, MemorySegment.ofArray(in));
      int[] unwritten = new int[OUT_WORDS];
      Arrays.fill(unwritten, UNWRITTEN);
      Module module = device.module("probe");
      SortedMap<String, int[]> results = new TreeMap<>();
      for (String probe : module.kernels()) {
        device.write(to, 0, MemorySegment.ofArray(unwritten));
        new Launch(module, probe, 2)
            .set(0, from.address())
            .set(1, to.address())
            .grid(1, 1, 1)
            .on(device.stream());
        int[] out = new int[OUT_WORDS];
        device.read(to, 0, MemorySegment.ofArray(out));
        results.put(probe, out);
      }
      return results;
    } finally {
      device.free(from);
      device.free(to);
    }
  }
}
