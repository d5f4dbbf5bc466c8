package dev.weir.emulator;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.bindings.cuda.CUDA_KERNEL_NODE_PARAMS_v2_st;
import dev.weir.bindings.cuda.CUgraphExecUpdateResultInfo_st;
import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Streams are captured into graphs, which keep their edges and nothing more. */
class GraphTest {
  private static final String LAZY = "mode=lazy kernels=driver_test";
  private static final int SEEDS = 40;
  private static final int OPERATIONS = 12;

  @Test
  void capturingRunsNothingAndReplayingEqualsLaunching() {
    for (int seed = 1; seed <= SEEDS; seed++) {
      Emulator.start(LAZY + " seed=" + seed);
      try (Gpu gpu = Gpu.open()) {
        MemorySegment stream = gpu.stream();
        long direct = gpu.integers(1, 1);
        long replayed = gpu.integers(1, 1);

        randomOperations(gpu, seed, direct, stream);
        randomOperations(gpu, seed, direct, stream);
        gpu.synchronize(stream);
        begin(stream);
        randomOperations(gpu, seed, replayed, stream);
        MemorySegment graph = instantiate(gpu, end(gpu, stream));
        assertThat(gpu.read(replayed)).as("only recorded").isEqualTo(1);
        launch(graph, stream);
        launch(graph, stream);
        gpu.synchronize(stream);

        assertThat(gpu.read(replayed)).as("seed %d", seed).isEqualTo(gpu.read(direct));
      }
    }
  }

  @Test
  void aForkThatIsJoinedOverEventsKeepsItsOrderWhateverTheSeed() {
    Set<Integer> outcomes = new TreeSet<>();
    for (int seed = 1; seed <= SEEDS; seed++) {
      outcomes.add(forkAndJoin(seed, true));
    }
    assertThat(outcomes).containsExactly(33);
  }

  @Test
  void branchesOfAGraphRunInAnyOrder() {
    Set<Integer> outcomes = new TreeSet<>();
    for (int seed = 1; seed <= SEEDS; seed++) {
      outcomes.add(forkAndJoin(seed, false));
    }
    assertThat(outcomes).containsExactly(31, 33);
  }

  @Test
  void aForkThatIsNotJoinedEndsTheCapture() {
    Emulator emulator = Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment origin = gpu.stream();
      MemorySegment fork = gpu.stream();
      MemorySegment event = gpu.event();
      long values = gpu.integers(1, 1);
      begin(origin);
      gpu.record(event, origin);
      gpu.await(fork, event);
      gpu.add(values, 1, fork);

      assertThat(Gpu.name(CudaDriver.cuStreamEndCapture(origin, gpu.place())))
          .isEqualTo("CUDA_ERROR_STREAM_CAPTURE_UNJOINED");
      assertThat(emulator.mistakes()).singleElement().asString().contains("joined");
    }
  }

  @Test
  void waitingWhileCapturingIsRefusedAndEndsTheCapture() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment stream = gpu.stream();
      begin(stream);

      assertThat(Gpu.name(CudaDriver.cuStreamSynchronize(stream)))
          .isEqualTo("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED");
      assertThat(Gpu.name(CudaDriver.cuStreamEndCapture(stream, gpu.place())))
          .isEqualTo("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED");
    }
  }

  @Test
  void allocatingWhileCapturingIsRefused() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment stream = gpu.stream();
      begin(stream);

      assertThat(Gpu.name(CudaDriver.cuMemAlloc_v2(gpu.place(), 256)))
          .isEqualTo("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED");
    }
  }

  @Test
  void anExecutableTakesTheParametersOfAGraphOfTheSameShape() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment stream = gpu.stream();
      long values = gpu.integers(1, 10);
      MemorySegment executable = instantiate(gpu, addGraph(gpu, stream, values, 1, 1));
      MemorySegment info = CUgraphExecUpdateResultInfo_st.allocate(arena);

      Gpu.check(
          CudaDriver.cuGraphExecUpdate_v2(executable, addGraph(gpu, stream, values, 5, 1), info));
      launch(executable, stream);
      gpu.synchronize(stream);
      assertThat(gpu.read(values)).isEqualTo(15);

      int refused =
          CudaDriver.cuGraphExecUpdate_v2(executable, addGraph(gpu, stream, values, 5, 2), info);
      assertThat(Gpu.name(refused)).isEqualTo("CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE");
      assertThat(CUgraphExecUpdateResultInfo_st.result(info))
          .isEqualTo(CudaDriver.CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED());
    }
  }

  @Test
  void parametersSetAnewCountForLaunchesFromThenOn() {
    Emulator.start(LAZY);
    try (Gpu gpu = Gpu.open();
        Arena arena = Arena.ofConfined()) {
      MemorySegment stream = gpu.stream();
      long values = gpu.integers(1, 10);
      MemorySegment graph = addGraph(gpu, stream, values, 1, 1);
      MemorySegment executable = instantiate(gpu, graph);
      MemorySegment node = onlyNode(arena, graph);

      launch(executable, stream);
      MemorySegment parameters = CUDA_KERNEL_NODE_PARAMS_v2_st.allocate(arena);
      Gpu.check(CudaDriver.cuGraphKernelNodeGetParams_v2(node, parameters));
      MemorySegment arguments = arena.allocateFrom(JAVA_LONG, values, 1, 100);
      CUDA_KERNEL_NODE_PARAMS_v2_st.kernelParams(
          parameters, arena.allocateFrom(ADDRESS, arguments));
      Gpu.check(CudaDriver.cuGraphExecKernelNodeSetParams_v2(executable, node, parameters));
      launch(executable, stream);
      gpu.synchronize(stream);

      assertThat(gpu.read(values)).isEqualTo(111);
    }
  }

  private static int forkAndJoin(int seed, boolean ordered) {
    Emulator.start(LAZY + " seed=" + seed);
    try (Gpu gpu = Gpu.open()) {
      MemorySegment origin = gpu.stream();
      MemorySegment fork = gpu.stream();
      MemorySegment forked = gpu.event();
      MemorySegment joined = gpu.event();
      long values = gpu.integers(1, 10);

      begin(origin);
      if (ordered) {
        gpu.add(values, 1, origin);
      }
      gpu.record(forked, origin);
      gpu.await(fork, forked);
      if (!ordered) {
        gpu.add(values, 1, origin);
      }
      gpu.scale(values, 3, fork);
      gpu.record(joined, fork);
      gpu.await(origin, joined);
      MemorySegment graph = instantiate(gpu, end(gpu, origin));
      launch(graph, origin);
      gpu.synchronize(origin);
      return gpu.read(values);
    }
  }

  private static void randomOperations(Gpu gpu, int seed, long values, MemorySegment stream) {
    Random random = new Random(seed);
    for (int i = 0; i < OPERATIONS; i++) {
      if (random.nextBoolean()) {
        gpu.add(values, random.nextInt(10), stream);
      } else {
        gpu.scale(values, random.nextInt(10), stream);
      }
    }
  }

  private static MemorySegment addGraph(
      Gpu gpu, MemorySegment stream, long values, int operand, int times) {
    begin(stream);
    for (int i = 0; i < times; i++) {
      gpu.add(values, operand, stream);
    }
    return end(gpu, stream);
  }

  private static MemorySegment onlyNode(Arena arena, MemorySegment graph) {
    MemorySegment count = arena.allocateFrom(JAVA_LONG, 1);
    MemorySegment nodes = arena.allocate(ADDRESS);
    Gpu.check(CudaDriver.cuGraphGetNodes(graph, nodes, count));
    assertThat(count.get(JAVA_LONG, 0)).isEqualTo(1);
    MemorySegment type = arena.allocate(JAVA_INT);
    Gpu.check(CudaDriver.cuGraphNodeGetType(nodes.get(ADDRESS, 0), type));
    assertThat(type.get(JAVA_INT, 0)).isEqualTo(CudaDriver.CU_GRAPH_NODE_TYPE_KERNEL());
    return nodes.get(ADDRESS, 0);
  }

  private static void begin(MemorySegment stream) {
    Gpu.check(
        CudaDriver.cuStreamBeginCapture_v2(
            stream, CudaDriver.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL()));
  }

  private static MemorySegment end(Gpu gpu, MemorySegment stream) {
    MemorySegment graph = gpu.place();
    Gpu.check(CudaDriver.cuStreamEndCapture(stream, graph));
    return graph.get(ADDRESS, 0);
  }

  private static MemorySegment instantiate(Gpu gpu, MemorySegment graph) {
    MemorySegment executable = gpu.place();
    Gpu.check(CudaDriver.cuGraphInstantiateWithFlags(executable, graph, 0));
    return executable.get(ADDRESS, 0);
  }

  private static void launch(MemorySegment executable, MemorySegment stream) {
    Gpu.check(CudaDriver.cuGraphLaunch(executable, stream));
  }
}
