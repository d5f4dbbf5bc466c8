package dev.weir.emulator;

import static dev.weir.emulator.Gpu.DEFAULT_STREAM;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Failures come where a real driver's come, and stay as long. */
class FailureTest {
  private static final String LAZY = "mode=lazy kernels=driver_test";

  @Test
  void aKernelsFailureShowsAtASynchronisationAndSticks() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment stream = gpu.stream();
      long values = gpu.integers(1, 0);

      assertThat(gpu.launch("fail", values, 1, 0, stream)).isEqualTo(CudaDriver.CUDA_SUCCESS());
      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_LAUNCH_FAILED");
      assertThat(Gpu.name(CudaDriver.cuMemAlloc_v2(gpu.place(), 256)))
          .isEqualTo("CUDA_ERROR_LAUNCH_FAILED");
      assertThat(emulator.mistakes())
          .singleElement()
          .asString()
          .contains("CUDA_ERROR_LAUNCH_FAILED", "kernel fail", "made to fail");
    }
    try (Gpu again = Gpu.open()) {
      assertThat(again.read(again.integers(1, 5))).as("a new context works").isEqualTo(5);
    }
  }

  @Test
  void theNthKernelFailsAsConfigured() {
    Emulator.start(LAZY + " fail=kernel:2:CUDA_ERROR_ILLEGAL_ADDRESS");
    try (Gpu gpu = Gpu.open()) {
      MemorySegment stream = gpu.stream();
      long values = gpu.integers(1, 0);
      gpu.add(values, 1, stream);
      gpu.synchronize(stream);
      gpu.add(values, 1, stream);

      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_ILLEGAL_ADDRESS");
    }
  }

  @Test
  void aLostDeviceAnswersNothingAnyMore() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      emulator.configure("fail=lost:+1:CUDA_ERROR_DEVICE_UNAVAILABLE");

      for (int i = 0; i < 3; i++) {
        assertThat(Gpu.name(CudaDriver.cuMemAlloc_v2(gpu.place(), 256)))
            .isEqualTo("CUDA_ERROR_DEVICE_UNAVAILABLE");
      }
      assertThat(Gpu.name(CudaDriver.cuInit(0))).isEqualTo("CUDA_ERROR_DEVICE_UNAVAILABLE");
      emulator.reset();
      Gpu.check(CudaDriver.cuInit(0));
      Gpu.check(CudaDriver.cuDevicePrimaryCtxRetain(gpu.place(), 0)); // what close gives back
    }
  }

  @Test
  void anAllocationFailsAsConfiguredAndTheNextOneWorks() {
    Emulator.start("fail=cuMemAlloc_v2:2:CUDA_ERROR_OUT_OF_MEMORY");
    try (Gpu gpu = Gpu.open()) {
      gpu.allocate(256);
      assertThat(Gpu.name(CudaDriver.cuMemAlloc_v2(gpu.place(), 256)))
          .isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");
      gpu.allocate(256);
    }
  }

  @Test
  void aThreadHasAContextOfItsOwn() throws InterruptedException {
    Emulator emulator = Emulator.start("");
    int[] result = new int[1];
    try (Gpu gpu = Gpu.open()) {
      gpu.allocate(256);
      Thread other =
          new Thread(
              () -> {
                try (Arena arena = Arena.ofConfined()) {
                  result[0] = CudaDriver.cuMemAlloc_v2(arena.allocate(ADDRESS), 256);
                }
              });
      other.start();
      other.join();
    }

    assertThat(Gpu.name(result[0])).isEqualTo("CUDA_ERROR_INVALID_CONTEXT");
    assertThat(emulator.mistakes()).anyMatch(mistake -> mistake.contains("no current context"));
  }

  @Test
  void aStreamOfAnotherDeviceIsRefused() {
    Emulator emulator = Emulator.start(LAZY + " devices=2");
    try (Gpu first = Gpu.open(0);
        Gpu second = Gpu.open(1)) {
      MemorySegment stream = second.stream();
      first.enter();
      long values = first.integers(1, 0);

      assertThat(Gpu.name(first.launch("add", values, 1, 1, stream)))
          .isEqualTo("CUDA_ERROR_INVALID_HANDLE");
      assertThat(emulator.mistakes()).anyMatch(mistake -> mistake.contains("another context"));
    }
  }

  @Test
  void anEventThatWasDestroyedIsRefused() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment event = gpu.event();
      Gpu.check(CudaDriver.cuEventDestroy_v2(event));

      assertThat(Gpu.name(CudaDriver.cuEventRecord(event, DEFAULT_STREAM)))
          .isEqualTo("CUDA_ERROR_INVALID_HANDLE");
    }
  }

  @Test
  void aCallNewerThanTheDriverIsRefused() {
    Emulator.start("driver=12020");
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      assertThat(Gpu.name(CudaDriver.cuDeviceGetDevResource(0, gpu.place(), 0)))
          .isEqualTo("CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER");
      MemorySegment version = arena.allocate(JAVA_INT);
      Gpu.check(CudaDriver.cuDriverGetVersion(version));
      assertThat(version.get(JAVA_INT, 0)).isEqualTo(12_020);
    }
  }

  @Test
  void entryPointsAreGivenByTheVersionThatIsAskedFor() {
    Emulator.start("driver=12020");
    try (Arena arena = Arena.ofConfined()) {
      assertThat(entryPoint(arena, "cuMemAlloc", 13_000)).isEqualTo("CUDA_SUCCESS 0");
      assertThat(entryPoint(arena, "cuGreenCtxCreate", 13_000)).isEqualTo("CUDA_ERROR_NOT_FOUND 2");
      assertThat(entryPoint(arena, "cuMemAllocAsync", 10_000)).isEqualTo("CUDA_ERROR_NOT_FOUND 2");
      assertThat(entryPoint(arena, "cuNoSuchThing", 13_000)).isEqualTo("CUDA_ERROR_NOT_FOUND 1");
    }
  }

  @Test
  void everyBoundFunctionIsThere() throws Exception {
    Emulator.start("");
    Path arguments = Path.of("../../bindings/src/main/jextract/cuda-driver.args");
    String include = "--include-function ";
    List<String> bound =
        Files.readAllLines(arguments).stream()
            .filter(line -> line.startsWith(include))
            .map(line -> line.substring(include.length()).strip())
            .toList();

    assertThat(bound).isNotEmpty();
    assertThat(bound)
        .allSatisfy(
            name ->
                assertThat(dev.weir.bindings.CudaDriverLibrary.lookup().find(name)).isPresent());
  }

  /** The result and the status of cuGetProcAddress. */
  private static String entryPoint(Arena arena, String name, int version) {
    MemorySegment function = arena.allocate(ADDRESS);
    MemorySegment status = arena.allocate(JAVA_INT);
    int result =
        CudaDriver.cuGetProcAddress_v2(arena.allocateFrom(name), function, version, 0, status);
    assertThat(Objects.equals(function.get(ADDRESS, 0), MemorySegment.NULL))
        .isEqualTo(result != CudaDriver.CUDA_SUCCESS());
    return Gpu.name(result) + " " + status.get(JAVA_INT, 0);
  }
}
