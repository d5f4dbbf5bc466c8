package dev.weir.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class KernelResourcesTest {
  private static final Set<String> ALL =
      Set.of(
          "norm.sm_80.cubin",
          "norm.sm_89.cubin",
          "norm.sm_90a.cubin",
          "norm.sm_100a.cubin",
          "norm.sm_120.cubin",
          "norm.compute_80.ptx");

  @Test
  void a_gpu_gets_its_own_code_else_that_of_a_lower_minor_version_else_ptx() {
    assertThat(chosen(8, 0)).hasValue("norm.sm_80.cubin");
    assertThat(chosen(8, 6)).hasValue("norm.sm_80.cubin");
    assertThat(chosen(8, 9)).hasValue("norm.sm_89.cubin");
    assertThat(chosen(9, 0)).hasValue("norm.sm_90a.cubin");
    assertThat(chosen(10, 0)).hasValue("norm.sm_100a.cubin");
    assertThat(chosen(12, 0)).hasValue("norm.sm_120.cubin");
    assertThat(chosen(12, 1)).hasValue("norm.sm_120.cubin");
    assertThat(chosen(10, 3)).as("'a' code runs on its own version alone").hasValue(PTX);
    assertThat(chosen(11, 0)).hasValue(PTX);
    assertThat(chosen(7, 5)).as("PTX is for 8.0 and newer").isEmpty();
  }

  private static final String PTX = "norm.compute_80.ptx";

  private static Optional<String> chosen(int major, int minor) {
    return KernelResources.choose("norm", major, minor, ALL::contains);
  }
}
