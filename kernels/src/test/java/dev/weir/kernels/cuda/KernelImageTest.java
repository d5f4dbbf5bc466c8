package dev.weir.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The compiled kernels of this build, as their files describe them. */
class KernelImageTest {
  private static final List<String> ARCHITECTURES =
      List.of("sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120");
  private static final String PTX = "compute_80.ptx";

  /** Threads and shared memory of a block on every architecture. */
  private static final int MAX_THREADS = 1024;

  private static final int WARP = 32;
  private static final int MAX_SHARED_BYTES = 227 * 1024;

  /** One row of the build's table. */
  private record Resources(
      String family,
      String kernel,
      int registers,
      int staticShared,
      int stackFrame,
      int spillStores,
      int spillLoads) {}

  @BeforeEach
  void kernels_were_built() {
    assumeFalse(KernelResources.families().isEmpty(), "skipped: this build was made without nvcc");
  }

  /** The architectures of this build: all, but where one was asked for to try something out. */
  private static List<String> built() {
    return ARCHITECTURES.stream()
        .filter(a -> KernelResources.isThere("resources." + a + ".txt"))
        .toList();
  }

  /** How kernels are called; how much shared memory a copy's ring takes is the architecture's. */
  private static Map<String, KernelImage.Kernel> calls(Map<String, KernelImage.Kernel> kernels) {
    Map<String, KernelImage.Kernel> calls = new TreeMap<>();
    kernels.forEach(
        (name, kernel) ->
            calls.put(
                name,
                new KernelImage.Kernel(
                    kernel.parameters(), kernel.parameterBytes(), kernel.threads(), 0)));
    return calls;
  }

  @Test
  void every_kernel_has_one_parameter_of_whole_fields_and_a_launchable_block() {
    assertThat(built()).isNotEmpty();
    for (String family : KernelResources.families()) {
      List<Map<String, KernelImage.Kernel>> images = new ArrayList<>();
      for (String architecture : built()) {
        images.add(kernels(family + "." + architecture + ".cubin"));
      }
      images.add(kernels(family + "." + PTX));
      for (Map<String, KernelImage.Kernel> image : images) {
        assertThat(calls(image))
            .as("every architecture of " + family)
            .isEqualTo(calls(images.getFirst()));
        image.forEach(
            (name, kernel) -> {
              assertThat(kernel.parameters()).as(name).isEqualTo(1);
              assertThat(kernel.parameterBytes()).as(name).isPositive();
              assertThat(kernel.parameterBytes() % Long.BYTES).as(name).isZero();
              assertThat(kernel.threads()).as(name).isBetween(WARP, MAX_THREADS);
              assertThat(kernel.threads() % WARP).as(name).isZero();
              assertThat(kernel.sharedBytes()).as(name).isBetween(0, MAX_SHARED_BYTES);
            });
      }
    }
  }

  @Test
  void no_kernel_spills_or_has_a_stack_frame() {
    for (String architecture : built()) {
      List<Resources> table = table(architecture);
      for (String family : KernelResources.families()) {
        assertThat(table.stream().filter(r -> r.family().equals(family)).map(Resources::kernel))
            .as("%s for %s", family, architecture)
            .containsExactlyInAnyOrderElementsOf(
                kernels(family + "." + architecture + ".cubin").keySet());
      }
      for (Resources row : table) {
        assertThat(row.registers()).as(row.toString()).isBetween(1, 255);
        assertThat(row.stackFrame() + row.spillStores() + row.spillLoads())
            .as("%s on %s", row, architecture)
            .isZero();
      }
    }
  }

  private static List<Resources> table(String architecture) {
    String text = new String(KernelResources.read("resources." + architecture + ".txt"), UTF_8);
    return text.lines()
        .skip(1) // the names of the columns
        .map(line -> line.split(" ", -1))
        .map(
            column ->
                new Resources(
                    column[0],
                    column[1],
                    Integer.parseInt(column[2]),
                    Integer.parseInt(column[3]),
                    Integer.parseInt(column[4]),
                    Integer.parseInt(column[5]),
                    Integer.parseInt(column[6])))
        .toList();
  }

  private static Map<String, KernelImage.Kernel> kernels(String name) {
    return KernelImage.kernels(KernelResources.read(name));
  }

  @Test
  void what_is_no_image_or_half_of_one_is_refused() {
    byte[] image =
        KernelResources.read(
            KernelResources.families().getFirst() + "." + built().getFirst() + ".cubin");
    assertThatThrownBy(() -> KernelImage.kernels(Arrays.copyOf(image, image.length / 2)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("cut short");
    assertThatThrownBy(() -> KernelImage.kernels("no kernels here".getBytes(UTF_8)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("neither a cubin nor PTX");
  }
}
