package dev.weir.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceMemoryException;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class CpuDeviceTest {

  private static final long HUGE_PAGE = 2 << 20;
  private static final int ENOUGH_TO_COMPILE = 20_000;
  private static final int CALLS = 10_000;
  private static final long SMALLEST_OBJECT = 16;

  @BeforeEach
  void needsTheLibrary() {
    assertThat(Levels.available()).isNotEmpty();
  }

  @Test
  void memoryIsZeroedAlignedAndCounted() {
    try (var device = CpuDevice.open(1)) {
      for (long bytes : new long[] {1, 4097, HUGE_PAGE - 1, HUGE_PAGE, 5 * HUGE_PAGE + 3}) {
        Buffer buffer = device.allocate(bytes, "test");
        assertThat(buffer.bytes()).isEqualTo(bytes);
        assertThat(buffer.address() % (bytes >= HUGE_PAGE ? HUGE_PAGE : 64)).isZero();
        byte[] content = new byte[Math.toIntExact(bytes)];
        device.read(buffer, 0, MemorySegment.ofArray(content));
        assertThat(content).containsOnly(0);
        assertThat(device.allocatedBytes()).isEqualTo(bytes);
        device.free(buffer);
      }
      assertThat(device.allocatedBytes()).isZero();
      assertThat(device.peakBytes()).isEqualTo(5 * HUGE_PAGE + 3);
    }
  }

  @Test
  void theKvCacheAndTheHostTierHavePagesBeforeTheyAreTouched() throws Exception {
    List<String> memory = Files.readAllLines(Path.of("/proc/meminfo"));
    assumeTrue(
        PageBacking.bytes(memory, "MemAvailable:") > 1L << 30, "skipped: little memory is left");
    assumeTrue(populates(), "skipped: the kernel has no MADV_POPULATE_WRITE");
    KvShape shape = new KvShape(2, 2, 64, DType.F32);
    int blocks = (int) (32 * HUGE_PAGE / shape.blockBytes());
    try (var device = CpuDevice.open(1)) {
      long untouched = device.allocate(32 * HUGE_PAGE, "test").address();
      Buffer kv = device.allocateKv(shape, blocks).memory();
      MemorySegment tier = device.hostMemory(32 * HUGE_PAGE + 5, "test");
      device.write(kv, 0, MemorySegment.ofArray(new byte[] {1, 2, 3}));
      while (residentBytes(kv.address(), kv.bytes()) < kv.bytes()
          || residentBytes(tier.address(), tier.byteSize()) < tier.byteSize()) {
        Thread.sleep(5);
      }
      byte[] content = new byte[4];
      device.read(kv, 0, MemorySegment.ofArray(content));
      assertThat(content).containsExactly(1, 2, 3, 0);
      assertThat(residentBytes(untouched, 32 * HUGE_PAGE)).isZero();
    }
  }

  @Test
  void noMorePagesAreTakenInAdvanceThanTheMachineCanSpare() {
    List<String> lines = List.of("MemTotal:       24683588 kB", "MemAvailable:       2048 kB");
    PageBacking pages = new PageBacking();

    assertThat(PageBacking.bytes(lines, "MemAvailable:")).isEqualTo(HUGE_PAGE);
    assertThat(PageBacking.bytes(lines, "SwapFree:")).isZero();
    assertThat(pages.begin(0, Long.MAX_VALUE, "test")).isEqualTo(PageBacking.NONE);
    PageBacking.end(PageBacking.NONE);
  }

  @Test
  void memoryThatIsStillGettingItsPagesCanBeFreed() {
    KvShape shape = new KvShape(2, 2, 64, DType.F32);
    int blocks = (int) (256 * HUGE_PAGE / shape.blockBytes());
    for (int i = 0; i < 50; i++) {
      try (var device = CpuDevice.open(1)) {
        Buffer kv = device.allocateKv(shape, blocks).memory();
        if (i % 2 == 0) {
          device.free(kv);
        }
      }
    }
  }

  /** Whether the kernel is Linux 5.14 or later. */
  private static boolean populates() {
    String[] version = System.getProperty("os.version").split("\\D", -1);
    int major = Integer.parseInt(version[0]);
    return major > 5 || (major == 5 && Integer.parseInt(version[1]) >= 14);
  }

  /** How many bytes of a range have pages: in proc(5), pagemap. */
  private static long residentBytes(long address, long bytes) throws IOException {
    long page = pageBytes();
    long first = address / page;
    int pages = Math.toIntExact(Math.ceilDiv(address + bytes, page) - first);
    ByteBuffer entries = ByteBuffer.allocate(Long.BYTES * pages).order(ByteOrder.nativeOrder());
    try (FileChannel pagemap = FileChannel.open(Path.of("/proc/self/pagemap"))) {
      while (entries.hasRemaining()) {
        int read = pagemap.read(entries, Long.BYTES * first + entries.position());
        assertThat(read).as("bytes of the page map").isPositive();
      }
    }
    entries.flip();
    long present = LongStream.range(0, pages).filter(i -> entries.getLong() < 0).count();
    return Math.min(bytes, present * page);
  }

  private static long pageBytes() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/smaps"))) {
      String size =
          lines.filter(line -> line.startsWith("KernelPageSize:")).findFirst().orElseThrow();
      return 1024 * Long.parseLong(size.replaceAll("\\D", ""));
    }
  }

  @Test
  void whatCannotBeAllocatedIsAnErrorThatNamesItsPurpose() {
    try (var device = CpuDevice.open(1)) {
      assertThatThrownBy(() -> device.allocate(1L << 46, "the KV cache"))
          .isInstanceOf(DeviceMemoryException.class)
          .hasMessageContaining("for the KV cache");
      assertThatThrownBy(() -> device.allocate(0, "nothing"))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void memoryIsGivenBackOnceAndUnreachableAfterwards() {
    var device = CpuDevice.open(1);
    Buffer freed = device.allocate(100, "test");
    Buffer kept = device.allocate(100, "test");
    device.free(freed);
    assertThatThrownBy(() -> device.free(freed)).isInstanceOf(IllegalArgumentException.class);
    device.close();
    device.close();
    byte[] bytes = new byte[1];
    assertThatThrownBy(() -> device.read(kept, 0, MemorySegment.ofArray(bytes)))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> device.allocate(1, "test")).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void workersAreNamedBoundedAndGoneAfterClose() throws IOException {
    int before = workers();
    try (var device = CpuDevice.open(3)) {
      assertThat(device.name()).contains("3 threads");
      assertThat(workers()).isEqualTo(before + 2);
    }
    assertThat(workers()).isEqualTo(before);
  }

  private static int workers() throws IOException {
    int count = 0;
    try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        if (Files.readString(task.resolve("comm")).startsWith("weir-cpu-")) {
          count++;
        }
      }
    }
    return count;
  }

  @Test
  void aCallAllocatesNothingOnTheHeap() {
    var random = new Random(9);
    try (var device = CpuDevice.open(2)) {
      LinearWeight weight = Matrix.random(random, DType.BF16, 40, 70).pack(device);
      Buffer in = Matrix.upload(device, Matrix.random(random, DType.F32, 1, 70).values());
      Buffer out = device.allocate(4 * 40, "out");
      for (int repeat = 0; repeat < ENOUGH_TO_COMPILE; repeat++) {
        device.kernels().linear(1, in, weight, out);
      }
      var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int repeat = 0; repeat < CALLS; repeat++) {
        device.kernels().linear(1, in, weight, out);
      }
      long allocated = threads.getCurrentThreadAllocatedBytes() - before;
      // Less than the smallest object per call: what is left is the measurement's own.
      assertThat(allocated).isLessThan(CALLS * SMALLEST_OBJECT);
    }
  }

  @Test
  void severalDevicesComputeAtOnceEachOnItsOwnThread() throws InterruptedException {
    var random = new Random(7);
    Matrix weight = Matrix.random(random, DType.BF16, 256, 512);
    float[] in = Matrix.random(random, DType.F32, 3, 512).values();
    List<float[]> results = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int n = 0; n < 4; n++) {
      threads.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    try (var device = CpuDevice.open(2)) {
                      LinearWeight packed = weight.pack(device);
                      Buffer from = Matrix.upload(device, in);
                      Buffer out = device.allocate(4L * 3 * 256, "out");
                      for (int repeat = 0; repeat < 200; repeat++) {
                        device.kernels().linear(3, from, packed, out);
                      }
                      synchronized (results) {
                        results.add(Matrix.download(device, out, 3 * 256));
                      }
                    }
                  }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(results).hasSize(4);
    assertThat(results).allSatisfy(result -> assertThat(result).isEqualTo(results.getFirst()));
  }

  @Test
  void anUnknownLevelOrThreadCountIsRefused() {
    assertThatThrownBy(() -> Isa.parse("sse9"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("amx-emulated");
    assertThat(Isa.parse("avx512bf16")).isEqualTo(Isa.AVX512BF16);
    assertThatThrownBy(() -> CpuDevice.open(0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> CpuDevice.open(CpuDevice.MAX_THREADS + 1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
