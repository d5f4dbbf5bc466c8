package dev.weir.emulator;

import static dev.weir.emulator.Gpu.DEFAULT_STREAM;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.bindings.cuda.CUmemAccessDesc_st;
import dev.weir.bindings.cuda.CUmemAllocationProp_st;
import dev.weir.bindings.cuda.CUmemLocation_st;
import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Memory is finite, belongs to a device, and mistakes with it are told. */
class MemoryTest {
  private static final String LAZY = "mode=lazy kernels=driver_test";
  private static final long MEBIBYTE = 1 << 20;

  @Test
  void aDeviceHasItsCapacityAndNoMore() {
    Emulator.start("memory=16m");
    try (Gpu gpu = Gpu.open()) {
      long most = gpu.allocate(12 * MEBIBYTE);
      assertThat(free(gpu)).isEqualTo(4 * MEBIBYTE);
      assertThat(allocate(gpu, 5 * MEBIBYTE)).isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");

      gpu.free(most);
      assertThat(free(gpu)).isEqualTo(16 * MEBIBYTE);
      gpu.free(gpu.allocate(16 * MEBIBYTE));
      assertThat(allocate(gpu, 17 * MEBIBYTE)).isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");
    }
  }

  @Test
  void freeingTwiceIsTold() {
    Emulator emulator = Emulator.start("");
    try (Gpu gpu = Gpu.open()) {
      long memory = gpu.allocate(256);
      gpu.free(memory);

      assertThat(Gpu.name(CudaDriver.cuMemFree_v2(memory))).isEqualTo("CUDA_ERROR_INVALID_VALUE");
      assertThat(emulator.mistakes()).singleElement().asString().contains("freed device memory");
    }
  }

  @Test
  void freeingWhatAPendingCopyNeedsIsTold() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment source = gpu.pinned(256);
      MemorySegment stream = gpu.stream();
      long target = gpu.allocate(256);
      gpu.copyIn(target, source, stream);
      gpu.free(target);

      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_ILLEGAL_ADDRESS");
      assertThat(emulator.mistakes()).singleElement().asString().contains("freed before");
    }
  }

  @Test
  void aCopyPastTheEndOfItsMemoryIsRefused() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment source = gpu.pinned(512);
      long target = gpu.allocate(256);

      assertThat(Gpu.name(CudaDriver.cuMemcpyHtoDAsync_v2(target, source, 257, DEFAULT_STREAM)))
          .isEqualTo("CUDA_ERROR_INVALID_VALUE");
      assertThat(emulator.mistakes()).singleElement().asString().contains("byte 0 of 256");
    }
  }

  @Test
  void aKernelThatReachesFreedMemoryFails() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment stream = gpu.stream();
      long values = gpu.integers(8, 0);
      gpu.free(values);
      gpu.add(values, 1, stream);

      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_LAUNCH_FAILED");
      assertThat(emulator.mistakes()).singleElement().asString().contains("kernel add");
    }
  }

  @Test
  void aLargeFillZeroesExactlyItsBytes() {
    Emulator.start(LAZY);
    int bytes = (int) (3 * MEBIBYTE) + 10;
    int before = 1000;
    try (Gpu gpu = Gpu.open()) {
      long memory = gpu.allocate(2L * before + bytes);
      MemorySegment target = gpu.pinned(2L * before + bytes);
      Gpu.check(CudaDriver.cuMemsetD8Async(memory + before, (byte) 0, bytes, DEFAULT_STREAM));
      gpu.copyOut(target, memory, DEFAULT_STREAM);
      gpu.synchronize(DEFAULT_STREAM);

      byte[] copied = target.toArray(JAVA_BYTE);
      assertThat(Arrays.copyOfRange(copied, 0, before)).containsOnly(-1);
      byte[] filled = Arrays.copyOfRange(copied, before, before + bytes);
      assertThat(Arrays.equals(filled, new byte[bytes])).isTrue();
      assertThat(Arrays.copyOfRange(copied, before + bytes, copied.length)).containsOnly(-1);
    }
  }

  @Test
  void whatIsLeftWhenTheContextGoesIsTold() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      gpu.free(gpu.allocate(100));
      gpu.allocate(300);
      gpu.event();
    }

    assertThat(emulator.mistakes())
        .singleElement()
        .asString()
        .contains("leaked", "1 event", "(300 bytes)")
        .doesNotContain("(100 bytes)");
    assertThat(emulator.count("bytes")).isZero();
  }

  @Test
  void aProgramThatGivesAllBackLeavesNothing() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      long values = gpu.integers(4, 2);
      MemorySegment pinned = gpu.pinned(16);
      MemorySegment stream = gpu.stream();
      gpu.copyOut(pinned, values, stream);
      gpu.add(values, 1, stream);
      gpu.synchronize(stream);
      Gpu.check(CudaDriver.cuStreamDestroy_v2(stream));
      gpu.unpin(pinned);
      gpu.free(values);
      Gpu.check(CudaDriver.cuModuleUnload(gpu.module()));
    }

    assertThat(emulator.mistakes()).isEmpty();
    for (String what : new String[] {"allocations", "pinned", "streams", "modules", "contexts"}) {
      assertThat(emulator.count(what)).as(what).isZero();
    }
  }

  @Test
  void aKernelReachesAPeersMemoryOnlyOnceThatIsEnabled() {
    Emulator.start(LAZY + " devices=2");
    try (Gpu far = Gpu.open(1);
        Gpu near = Gpu.open(0)) {
      far.enter();
      long values = far.integers(1, 10);
      near.enter();
      MemorySegment stream = near.stream();

      Gpu.check(CudaDriver.cuCtxEnablePeerAccess(far.context, 0));
      near.add(values, 1, stream);
      near.synchronize(stream);
      Gpu.check(CudaDriver.cuCtxDisablePeerAccess(far.context));
      near.add(values, 1, stream);

      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_LAUNCH_FAILED");
      far.enter();
      assertThat(far.read(values)).isEqualTo(11);
    }
  }

  @Test
  void memoryIsCopiedBetweenDevices() {
    Emulator.start(LAZY + " devices=2 peers=no");
    try (Gpu far = Gpu.open(1);
        Gpu near = Gpu.open(0)) {
      far.enter();
      long there = far.allocate(4);
      near.enter();
      long here = near.integers(1, 42);
      MemorySegment stream = near.stream();

      Gpu.check(CudaDriver.cuMemcpyPeerAsync(there, far.context, here, near.context, 4, stream));
      near.synchronize(stream);

      assertThat(Gpu.name(CudaDriver.cuCtxEnablePeerAccess(far.context, 0)))
          .isEqualTo("CUDA_ERROR_PEER_ACCESS_UNSUPPORTED");
      far.enter();
      assertThat(far.read(there)).isEqualTo(42);
    }
  }

  @Test
  void devicesHaveMemoriesOfTheirOwn() {
    Emulator.start("devices=2 memory=4m");
    try (Gpu second = Gpu.open(1);
        Gpu first = Gpu.open(0)) {
      first.allocate(4 * MEBIBYTE);
      second.enter();
      second.allocate(4 * MEBIBYTE);

      assertThat(allocate(second, 1)).isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");
    }
  }

  @Test
  void physicalMemoryIsReachableWhereItIsMappedAndAllowed() {
    Emulator emulator = Emulator.start(LAZY);
    long bytes = 2 * MEBIBYTE;
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment properties = CUmemAllocationProp_st.allocate(arena);
      CUmemAllocationProp_st.type(properties, CudaDriver.CU_MEM_ALLOCATION_TYPE_PINNED());
      MemorySegment location = CUmemAllocationProp_st.location(properties);
      CUmemLocation_st.type(location, CudaDriver.CU_MEM_LOCATION_TYPE_DEVICE());
      MemorySegment access = CUmemAccessDesc_st.allocate(arena);
      CUmemAccessDesc_st.location(access, location);
      CUmemAccessDesc_st.flags(access, CudaDriver.CU_MEM_ACCESS_FLAGS_PROT_READWRITE());
      MemorySegment handle = arena.allocate(JAVA_LONG);
      MemorySegment address = arena.allocate(JAVA_LONG);
      Gpu.check(CudaDriver.cuMemCreate(handle, bytes, properties, 0));
      Gpu.check(CudaDriver.cuMemAddressReserve(address, 2 * bytes, 0, 0, 0));
      long low = address.get(JAVA_LONG, 0);
      long high = low + bytes;
      long physical = handle.get(JAVA_LONG, 0);

      Gpu.check(CudaDriver.cuMemMap(low, bytes, 0, physical, 0));
      assertThat(Gpu.name(CudaDriver.cuMemsetD32Async(low, 9, 1, DEFAULT_STREAM)))
          .as("not allowed yet")
          .isEqualTo("CUDA_ERROR_INVALID_VALUE");
      Gpu.check(CudaDriver.cuMemSetAccess(low, bytes, access, 1));
      Gpu.check(CudaDriver.cuMemsetD32Async(low, 9, 1, DEFAULT_STREAM));
      gpu.synchronize(DEFAULT_STREAM);
      Gpu.check(CudaDriver.cuMemUnmap(low, bytes));
      Gpu.check(CudaDriver.cuMemMap(high, bytes, 0, physical, 0));
      Gpu.check(CudaDriver.cuMemSetAccess(high, bytes, access, 1));
      Gpu.check(CudaDriver.cuMemRelease(physical));

      assertThat(gpu.read(high)).as("the contents moved with the memory").isEqualTo(9);
      assertThat(emulator.count("bytes")).as("released, but mapped").isEqualTo(bytes);
      Gpu.check(CudaDriver.cuMemUnmap(high, bytes));
      Gpu.check(CudaDriver.cuMemAddressFree(low, 2 * bytes));
      assertThat(emulator.count("bytes")).isZero();
    }
  }

  private static long free(Gpu gpu) {
    MemorySegment free = gpu.place();
    Gpu.check(CudaDriver.cuMemGetInfo_v2(free, gpu.place()));
    return free.get(JAVA_LONG, 0);
  }

  private static String allocate(Gpu gpu, long bytes) {
    return Gpu.name(CudaDriver.cuMemAlloc_v2(gpu.place(), bytes));
  }
}
