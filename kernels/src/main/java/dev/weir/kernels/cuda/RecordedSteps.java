package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.weir.bindings.cuda.CudaDriver;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Runs steps in size classes, and from a size's second step on replays the graph that its second
 * run recorded. The first run is not recorded: a size that comes once is not worth a graph, and
 * what ops set up on first use must not happen in a recording. A replay allocates nothing.
 */
final class RecordedSteps {
  /**
   * The most sizes that are kept; the one unused for longest goes first. A graph of a few hundred
   * kernels takes some hundred kilobytes of device memory.
   */
  static final int MAX_SIZES = 256;

  private static final Logger LOG = System.getLogger(RecordedSteps.class.getName());

  /** One program on one step's arrays, in one size. */
  private static final class Size {
    final StepProgram program;
    final StepInputs step;

    /** The arrays of {@code step}, and the size class for counts. */
    final StepInputs sized;

    final StepRules rules;
    @Nullable Graph graph;
    boolean ran;

    /** Whether the driver refuses its graph, or its memory went to another's. */
    boolean refused;

    long lastUse;

    Size(StepProgram program, StepInputs step, StepInputs sized, StepRules rules) {
      this.program = program;
      this.step = step;
      this.sized = sized;
      this.rules = rules;
    }
  }

  private final CudaKernels kernels;
  private final Stream stream;
  private final StepLimits limits;
  private final boolean graphs;
  private final @Nullable Size[] sizes = new Size[MAX_SIZES];
  private int count;
  private long steps;

  /** Whether a refused graph was warned of: one warning is enough. */
  private boolean told;

  /**
   * @param graphs false runs every step's program
   */
  RecordedSteps(CudaKernels kernels, Stream stream, StepLimits limits, boolean graphs) {
    this.kernels = kernels;
    this.stream = stream;
    this.limits = limits;
    this.graphs = graphs;
  }

  /** Checks a step and enqueues it. Nothing is enqueued where a check fails. */
  void compute(StepInputs step, StepProgram program) {
    int slices = step.slices();
    if (slices > limits.slices()) {
      throw new IllegalArgumentException(
          "a step of " + slices + " slices where at most " + limits.slices() + " were reserved");
    }
    requireCounts(step);
    int tokens = SizeClasses.of(step.tokens(), limits.tokens());
    int samples = SizeClasses.of(step.samples(), Math.min(limits.samples(), tokens));
    Size size = find(program, step, tokens, samples);
    if (size == null) {
      size = add(program, step, tokens, samples);
    }
    size.lastUse = ++steps;
    size.rules.check(step);
    if (size.graph == null && graphs && size.ran && !size.refused) {
      record(size);
    }
    if (!replay(size)) {
      kernels.launch(program, size.sized);
      size.ran = true;
    }
  }

  /** Records a size, where the driver lets it; where memory is short, at older graphs' cost. */
  private void record(Size size) {
    try {
      size.graph = recorded(size);
    } catch (CudaException e) {
      if (e.code() == CudaDriver.CUDA_ERROR_OUT_OF_MEMORY() && forgetOlderGraphs()) {
        recordAgain(size);
      } else {
        refuse(size, e);
      }
    }
  }

  private void recordAgain(Size size) {
    try {
      size.graph = recorded(size);
    } catch (CudaException e) {
      refuse(size, e);
    }
  }

  private Graph recorded(Size size) {
    return Graph.record(stream, () -> kernels.launch(size.program, size.sized));
  }

  /**
   * Enqueues a size's graph.
   *
   * @return whether there is one, and the driver took it: a first launch needs memory too
   */
  private boolean replay(Size size) {
    Graph graph = size.graph;
    if (graph == null) {
      return false;
    }
    try {
      graph.launch(stream);
      return true;
    } catch (CudaException e) {
      forgetGraph(size);
      refuse(size, e);
      return false;
    }
  }

  private void refuse(Size size, CudaException reason) {
    size.refused = true;
    LOG.log(
        told ? Level.DEBUG : Level.WARNING,
        "steps of {0} tokens run without a graph, at more of the host''s time: {1}",
        size.sized.tokens(),
        reason.getMessage());
    told = true;
  }

  /**
   * Forgets half of the graphs, those that were unused for longest, once no work needs them. Their
   * sizes run op by op from now on, or sizes would take memory from one another step by step.
   *
   * @return whether there were any
   */
  private boolean forgetOlderGraphs() {
    int recorded = 0;
    for (int i = 0; i < count; i++) {
      Size size = sizes[i];
      recorded += size != null && size.graph != null ? 1 : 0;
    }
    if (recorded == 0) {
      return false;
    }
    stream.synchronize("forgetting graphs");
    for (int i = 0; i < Math.ceilDiv(recorded, 2); i++) {
      Size oldest = sizes[oldest(true)];
      if (oldest != null) {
        forgetGraph(oldest);
        oldest.refused = true;
      }
    }
    return true;
  }

  private static void forgetGraph(Size size) {
    Graph graph = size.graph;
    size.graph = null;
    if (graph != null) {
      graph.close();
    }
  }

  @SuppressWarnings("ReferenceEquality") // a recording addresses the memory of these very objects
  private @Nullable Size find(StepProgram program, StepInputs step, int tokens, int samples) {
    for (int i = 0; i < count; i++) {
      Size size = sizes[i];
      if (size != null
          && size.sized.tokens() == tokens
          && size.sized.samples() == samples
          && size.program == program
          && size.step == step) {
        return size;
      }
    }
    return null;
  }

  private Size add(StepProgram program, StepInputs step, int tokens, int samples) {
    StepInputs sized =
        new StepInputs(
            step.counts(),
            step.tokenIds(),
            step.positions(),
            step.tokenSlices(),
            step.sliceOffsets(),
            step.kvLengths(),
            step.blockTableRows(),
            step.blockTable(),
            step.blockTableWidth(),
            step.sampleRows(),
            step.drawn());
    sized.counts(tokens, Math.min(tokens, limits.slices()), samples);
    Size size = new Size(program, step, sized, kernels.gather(program, sized));
    int at = count < MAX_SIZES ? count++ : evict();
    sizes[at] = size;
    return size;
  }

  private int evict() {
    int oldest = oldest(false);
    forget(oldest);
    return oldest;
  }

  /** Where the size is that was unused for longest. */
  private int oldest(boolean recorded) {
    int oldest = 0;
    long use = Long.MAX_VALUE;
    for (int i = 0; i < count; i++) {
      Size size = sizes[i];
      if (size != null && size.lastUse < use && !(recorded && size.graph == null)) {
        use = size.lastUse;
        oldest = i;
      }
    }
    return oldest;
  }

  private void forget(int at) {
    Size size = sizes[at];
    sizes[at] = null;
    if (size != null) {
      forgetGraph(size);
    }
  }

  /** Ops read the counts from device memory: there they must be the step's. */
  private static void requireCounts(StepInputs step) {
    if (!(step.counts() instanceof DeviceBuffer buffer)) {
      throw new IllegalArgumentException("the step's arrays are not in this device's memory");
    }
    MemorySegment counts = buffer.requireMirror();
    requireCount("tokens", step.tokens(), counts.getAtIndex(JAVA_INT, 0));
    requireCount("slices", step.slices(), counts.getAtIndex(JAVA_INT, 1));
    requireCount("samples", step.samples(), counts.getAtIndex(JAVA_INT, 2));
  }

  private static void requireCount(String what, int here, int there) {
    if (here != there) {
      throw new IllegalArgumentException(
          "this step cannot be computed: it has "
              + here
              + " "
              + what
              + ", but its counts in memory say "
              + there);
    }
  }

  /** Forgets every recording: memory that they may address is about to go. */
  void forgetAll() {
    for (int i = 0; i < count; i++) {
      forget(i);
    }
    count = 0;
  }
}
