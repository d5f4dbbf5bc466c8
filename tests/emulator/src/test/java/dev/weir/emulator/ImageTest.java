package dev.weir.emulator;

import static dev.weir.emulator.Gpu.DEFAULT_STREAM;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Images are checked as a driver checks them, and against the kernels that will run for them. */
class ImageTest {
  private static final String LAZY = "mode=lazy kernels=driver_test";

  /** Of an ELF header: magic, class 64, little endian, version 1, CUDA's OS ABI, ABI version 8. */
  private static final byte[] CUBIN_IDENTITY = {0x7F, 'E', 'L', 'F', 2, 1, 1, 0x41, 8};

  private static final int ELF_HEADER_BYTES = 64;
  private static final int SECTION_HEADER_BYTES = 64;
  private static final short EM_CUDA = 190;

  @Test
  void whatIsNeitherCubinNorPtxIsRefused() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      assertThat(Gpu.name(gpu.load("no image at all"))).isEqualTo("CUDA_ERROR_INVALID_IMAGE");
      assertThat(Gpu.name(gpu.load(".version 8.0"))).isEqualTo("CUDA_ERROR_INVALID_PTX");
    }
  }

  @Test
  void anElfFileForAnotherMachineIsRefused() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment image = cubin(arena, 90);
      image.set(java.lang.foreign.ValueLayout.JAVA_SHORT, 18, (short) 62);

      assertThat(Gpu.name(gpu.load(image))).isEqualTo("CUDA_ERROR_INVALID_IMAGE");
    }
  }

  @Test
  void aCubinRunsOnItsMajorVersionFromItsMinorVersionOn() {
    assertThat(loadOn("9.0", 90)).isEqualTo("CUDA_SUCCESS");
    assertThat(loadOn("8.9", 80)).isEqualTo("CUDA_SUCCESS");
    assertThat(loadOn("8.0", 89)).isEqualTo("CUDA_ERROR_NO_BINARY_FOR_GPU");
    assertThat(loadOn("9.0", 80)).isEqualTo("CUDA_ERROR_NO_BINARY_FOR_GPU");
    assertThat(loadOn("12.0", 120)).isEqualTo("CUDA_SUCCESS");
  }

  @Test
  void ptxRunsOnEverythingNewer() {
    Emulator.start(LAZY + " capability=12.0");
    try (Gpu gpu = Gpu.open()) {
      Gpu.check(gpu.load(TestKernels.ptx()));
    }
    Emulator.start(LAZY + " capability=8.0");
    try (Gpu gpu = Gpu.open()) {
      String newer = TestKernels.ptx("8.0", "sm_90", TestKernels.ARGUMENT_BYTES);
      assertThat(Gpu.name(gpu.load(newer))).isEqualTo("CUDA_ERROR_NO_BINARY_FOR_GPU");
    }
  }

  @Test
  void anOldDriverRefusesWhatANewToolkitMade() {
    Emulator.start(LAZY + " driver=12080");
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      String newer = TestKernels.ptx("9.0", "sm_80", TestKernels.ARGUMENT_BYTES);
      assertThat(Gpu.name(gpu.load(newer))).isEqualTo("CUDA_ERROR_UNSUPPORTED_PTX_VERSION");
      assertThat(Gpu.name(gpu.load(cubin(arena, 90)))).isEqualTo("CUDA_ERROR_INVALID_IMAGE");
      Gpu.check(gpu.load(TestKernels.ptx()));
    }
  }

  @Test
  void aKernelMustBeInTheImage() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      gpu.function("add");
      assertThat(Gpu.name(gpu.getFunction("subtract"))).isEqualTo("CUDA_ERROR_NOT_FOUND");
    }
  }

  @Test
  void aKernelOfTheImageThatTheHostLacksIsTold() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      Gpu.check(gpu.load(TestKernels.ptx().replace(".entry add(", ".entry subtract(")));

      assertThat(Gpu.name(gpu.getFunction("subtract"))).isEqualTo("CUDA_ERROR_NOT_FOUND");
      assertThat(emulator.mistakes())
          .singleElement()
          .asString()
          .contains("subtract", "driver_test");
    }
  }

  @Test
  void anImageAndALibraryOfDifferentSourcesAreTold() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      Gpu.check(gpu.load(TestKernels.ptx("8.0", "sm_80", TestKernels.ARGUMENT_BYTES + 8)));

      assertThat(Gpu.name(gpu.getFunction("add"))).isEqualTo("CUDA_ERROR_INVALID_IMAGE");
      assertThat(emulator.mistakes())
          .singleElement()
          .asString()
          .contains("size of the arguments is 32 in the image and 24");
    }
  }

  @Test
  void aGlobalHasItsValueOnTheDevice() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      gpu.function("much_shared");
      MemorySegment pointer = arena.allocate(JAVA_LONG);
      MemorySegment bytes = arena.allocate(JAVA_LONG);
      Gpu.check(
          CudaDriver.cuModuleGetGlobal_v2(
              pointer, bytes, gpu.module(), arena.allocateFrom("much_shared_shared")));

      assertThat(bytes.get(JAVA_LONG, 0)).isEqualTo(4);
      assertThat(gpu.read(pointer.get(JAVA_LONG, 0))).isEqualTo(TestKernels.MUCH_SHARED);
    }
  }

  @Test
  void aLaunchKeepsToTheKernelsLimits() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(1, 1);
      MemorySegment function = gpu.function("much_shared");
      int shared = TestKernels.MUCH_SHARED;

      assertThat(Gpu.name(gpu.launch(function, values, 1, 1, 64, 0, DEFAULT_STREAM)))
          .isEqualTo("CUDA_ERROR_INVALID_VALUE");
      assertThat(emulator.mistakes()).last().asString().contains("64 threads");
      assertThat(Gpu.name(gpu.launch(function, values, 1, 1, 32, shared, DEFAULT_STREAM)))
          .isEqualTo("CUDA_ERROR_INVALID_VALUE");
      assertThat(emulator.mistakes()).last().asString().contains("cuFuncSetAttribute");

      int attribute = CudaDriver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES();
      Gpu.check(CudaDriver.cuFuncSetAttribute(function, attribute, shared));
      Gpu.check(gpu.launch(function, values, 1, 1, 32, shared, DEFAULT_STREAM));
      assertThat(gpu.read(values)).isEqualTo(2);
    }
  }

  @Test
  void moreSharedMemoryThanTheDeviceHasIsRefused() {
    Emulator.start(LAZY + " capability=8.9");
    try (Gpu gpu = Gpu.open()) {
      MemorySegment function = gpu.function("much_shared");
      int attribute = CudaDriver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES();

      Gpu.check(CudaDriver.cuFuncSetAttribute(function, attribute, 99 * 1024));
      assertThat(Gpu.name(CudaDriver.cuFuncSetAttribute(function, attribute, 100 * 1024)))
          .isEqualTo("CUDA_ERROR_INVALID_VALUE");
    }
  }

  @Test
  void occupancyIsBoundByThreadsAndSharedMemory() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment function = gpu.function("add");
      MemorySegment blocks = arena.allocate(JAVA_INT);

      Gpu.check(CudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, 1024, 0));
      assertThat(blocks.get(JAVA_INT, 0)).isEqualTo(2);
      Gpu.check(
          CudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, 32, 100 * 1024));
      assertThat(blocks.get(JAVA_INT, 0)).isEqualTo(2);
    }
  }

  private static String loadOn(String capability, int architecture) {
    Emulator.start(LAZY + " capability=" + capability);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      return Gpu.name(gpu.load(cubin(arena, architecture)));
    }
  }

  /** The least that is a cubin: a header and one section, which holds no names. */
  private static MemorySegment cubin(Arena arena, int architecture) {
    MemorySegment image = arena.allocate(ELF_HEADER_BYTES + SECTION_HEADER_BYTES + 1, 8);
    MemorySegment.copy(CUBIN_IDENTITY, 0, image, JAVA_BYTE, 0, CUBIN_IDENTITY.length);
    var shorts = java.lang.foreign.ValueLayout.JAVA_SHORT;
    image.set(shorts, 18, EM_CUDA);
    image.set(JAVA_LONG, 40, ELF_HEADER_BYTES); // section headers
    image.set(JAVA_INT, 48, architecture << 8);
    image.set(shorts, 58, (short) SECTION_HEADER_BYTES);
    image.set(shorts, 60, (short) 1); // sections
    image.set(JAVA_LONG, ELF_HEADER_BYTES + 24, ELF_HEADER_BYTES + SECTION_HEADER_BYTES);
    image.set(JAVA_LONG, ELF_HEADER_BYTES + 32, 1); // bytes of the section
    return image;
  }
}
