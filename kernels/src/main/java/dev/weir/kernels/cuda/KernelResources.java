package dev.weir.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** The compiled kernels on the class path, and which of them a GPU can run. */
final class KernelResources {
  /** What the PTX was compiled for, and the least that the kernels need: mma of BF16, cp.async. */
  static final int LEAST_MAJOR = 8;

  /** Written by build-cuda.sh: one family per line. */
  private static final String FAMILIES = "families.txt";

  private static final String PTX = "compute_80.ptx";

  private KernelResources() {}

  /**
   * The file of a family for a compute capability: its own architecture with all its features
   * ("sm_90a"), else the same major and the nearest lower minor version, which it runs too, else
   * PTX that the driver compiles.
   */
  static Optional<String> choose(String family, int major, int minor, Predicate<String> isThere) {
    List<String> candidates = new ArrayList<>();
    candidates.add("sm_" + major + minor + "a.cubin");
    for (int lower = minor; lower >= 0; lower--) {
      candidates.add("sm_" + major + lower + ".cubin");
    }
    if (major >= LEAST_MAJOR) {
      candidates.add(PTX);
    }
    return candidates.stream().map(name -> family + "." + name).filter(isThere).findFirst();
  }

  static Optional<String> choose(String family, int major, int minor) {
    return choose(family, major, minor, KernelResources::isThere);
  }

  /** The families of this build, none where it was made without nvcc. */
  static List<String> families() {
    return isThere(FAMILIES)
        ? new String(read(FAMILIES), StandardCharsets.UTF_8).lines().toList()
        : List.of();
  }

  static boolean isThere(String name) {
    return KernelResources.class.getResource(name) != null;
  }

  static byte[] read(String name) {
    try (InputStream in = KernelResources.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("this build has no " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + name, e);
    }
  }
}
