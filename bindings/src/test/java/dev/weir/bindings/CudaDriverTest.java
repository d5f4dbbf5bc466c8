package dev.weir.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.bindings.cuda.CUlaunchConfig_st;
import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The generated bindings in a JVM without a driver, which the module's test settings see to. */
class CudaDriverTest {
  @Test
  void whatTheArgumentsIncludeIsWhatIsBound() throws Exception {
    assertThat(CudaBindings.functions())
        .containsExactlyInAnyOrderElementsOf(CudaBindings.included("function"));
    assertThat(CudaBindings.constants().keySet())
        .containsExactlyInAnyOrderElementsOf(CudaBindings.included("constant"));
  }

  @Test
  void constantsAndLayoutsAreReadWithoutADriver() throws Exception {
    assertThat(CudaDriverLibrary.missing()).isPresent();
    assertThat(CudaDriver.CUDA_VERSION()).isEqualTo(13_000);
    assertThat(CudaDriver.CUDA_SUCCESS()).isZero();
    for (String name :
        Stream.concat(
                CudaBindings.included("struct").stream(), CudaBindings.included("union").stream())
            .toList()) {
      assertThat(CudaBindings.layout(name).byteSize()).as(name).isPositive();
    }
  }

  @Test
  void aStructIsFilledAndReadWithoutADriver() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment config = CUlaunchConfig_st.allocate(arena);

      CUlaunchConfig_st.gridDimX(config, 132);
      CUlaunchConfig_st.sharedMemBytes(config, 227 * 1024);

      assertThat(CUlaunchConfig_st.gridDimX(config)).isEqualTo(132);
      assertThat(CUlaunchConfig_st.sharedMemBytes(config)).isEqualTo(227 * 1024);
    }
  }

  @Test
  void aCallWithoutADriverFailsWithTheReason() {
    String reason = CudaDriverLibrary.missing().orElseThrow();

    assertThatThrownBy(() -> CudaDriver.cuDriverGetVersion(MemorySegment.NULL))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessage(reason);
    assertThatThrownBy(() -> CudaDriver.cuDriverGetVersion(MemorySegment.NULL))
        .as("again: the JVM remembers")
        .isInstanceOf(NoClassDefFoundError.class)
        .hasStackTraceContaining(reason);
  }
}
