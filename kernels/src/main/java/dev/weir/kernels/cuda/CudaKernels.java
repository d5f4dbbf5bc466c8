package dev.weir.kernels.cuda;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.DeviceBuffer;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleChecks;
import dev.weir.kernels.SampleLayout;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import org.jspecify.annotations.Nullable;

/**
 * The op set on a GPU: checks, then the launches of the op's family.
 *
 * <p>An op that is called by itself checks the step's integers on the host's side before it
 * launches. A program ({@link dev.weir.kernels.Device#compute}) is called twice: once to gather
 * what its ops ask of a step, which launches nothing, then, with a step that was checked, to
 * launch.
 */
final class CudaKernels implements Kernels {
  private enum Mode {
    /** Check the step, then launch. */
    ALONE,
    /** Note what is asked of a step. */
    GATHER,
    /** The step was checked: launch. */
    LAUNCH
  }

  /** In place of the counts' address: every row is there. */
  private static final long ALL_ROWS = 0;

  private final Context context;
  private final DType activation;
  private final CudaEmbed embed;
  private final CudaLinear linear;
  private final CudaNorm norm;
  private final CudaActivation activations;
  private final CudaSample sample;
  private final CudaRotary rotary;
  private final CudaAttention attention;
  private final CudaCopy copy;
  private Mode mode = Mode.ALONE;

  /** Address of the counts of the step whose program is launched. */
  private long counts;

  private StepRules rules = new StepRules();

  /**
   * Loads the families' kernels and sets their scratch memory aside.
   *
   * @param limits the largest step
   * @throws dev.weir.kernels.UnsupportedShapeException if there are none for its heads or
   *     vocabulary
   */
  CudaKernels(CudaDevice device, StepLimits limits) {
    CudaSample.requireSupported(limits.vocabulary());
    context = device.context();
    activation = limits.activation();
    Stream stream = device.stream();
    embed = new CudaEmbed(device.module("embed"), stream);
    linear =
        new CudaLinear(
            device.module("linear"),
            stream,
            device.multiprocessors(),
            activation,
            device.allocate(CudaLinear.SCRATCH_BYTES, "scratch space of linear"));
    norm = new CudaNorm(device.module("norm"), stream, activation);
    activations = new CudaActivation(device.module("activation"), stream, activation);
    sample =
        new CudaSample(
            device.module("sample"),
            stream,
            device.allocate(CudaSample.SCRATCH_BYTES, "scratch space of sampling"));
    rotary = new CudaRotary(device.module("rotary"), stream, activation);
    attention = new CudaAttention(device, limits);
    copy = new CudaCopy(device.module("copy"), stream, device.multiprocessors());
  }

  /** Has the program's ops note what they ask of a step of this size. Launches nothing. */
  StepRules gather(StepProgram program, StepInputs sized) {
    StepRules gathered = new StepRules();
    rules = gathered;
    mode = Mode.GATHER;
    try {
      program.run(sized);
    } finally {
      mode = Mode.ALONE;
    }
    return gathered;
  }

  /** Launches the program's ops, for a step that was checked. */
  void launch(StepProgram program, StepInputs sized) {
    counts = sized.counts().address();
    mode = Mode.LAUNCH;
    try {
      program.run(sized);
    } finally {
      mode = Mode.ALONE;
    }
  }

  /**
   * Whether the op is to be launched after its step's numbers were checked or noted.
   *
   * @param rows rows that it computes; none need no launch
   */
  private boolean launches(int rows) {
    if (mode == Mode.ALONE) {
      context.enter();
    }
    return mode != Mode.GATHER && rows > 0;
  }

  @Override
  public void prepare(StepInputs step) {
    if (launches(step.tokens())) {
      attention.prepare();
    }
  }

  @Override
  public void embed(StepInputs step, LinearWeight table, Buffer out) {
    switch (mode) {
      case ALONE -> StepChecks.inVocabulary(step, table.rows());
      case GATHER -> rules.inVocabulary(table.rows());
      case LAUNCH -> {}
    }
    requireWeight(table, "embed");
    requireActivations(out, (long) step.tokens() * table.columns(), "embed: out");
    if (launches(step.tokens())) {
      embed.embed(step, table, out);
    }
  }

  @Override
  public void addRmsNorm(
      int rows,
      int dim,
      Buffer residual,
      @Nullable Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    long elements = requireRows(rows, dim, "addRmsNorm");
    CudaNorm.requireSupported(dim);
    requireActivations(residual, elements, "addRmsNorm: residual");
    if (delta != null) {
      requireActivations(delta, elements, "addRmsNorm: delta");
    }
    requireFloats(weight, dim, "addRmsNorm: weight");
    requireActivations(out, elements, "addRmsNorm: out");
    if (launches(rows)) {
      norm.addRmsNorm(rows, dim, residual, delta, weight, epsilon, out);
    }
  }

  @Override
  public void gatherAddRmsNorm(
      StepInputs step,
      int dim,
      Buffer residual,
      Buffer delta,
      Buffer weight,
      float epsilon,
      Buffer out) {
    switch (mode) {
      case ALONE -> StepChecks.sampled(step);
      case GATHER -> rules.samplesRows();
      case LAUNCH -> {}
    }
    long elements = requireRows(step.tokens(), dim, "gatherAddRmsNorm");
    CudaNorm.requireSupported(dim);
    requireActivations(residual, elements, "gatherAddRmsNorm: residual");
    requireActivations(delta, elements, "gatherAddRmsNorm: delta");
    requireFloats(weight, dim, "gatherAddRmsNorm: weight");
    requireActivations(out, (long) step.samples() * dim, "gatherAddRmsNorm: out");
    if (launches(step.samples())) {
      norm.gatherAddRmsNorm(step, dim, residual, delta, weight, epsilon, out);
    }
  }

  @Override
  public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
    requireRows(rows, weight.columns(), "linear");
    requireWeight(weight, "linear");
    requireActivations(in, (long) rows * weight.columns(), "linear: in");
    requireActivations(out, (long) rows * weight.rows(), "linear: out");
    if (launches(rows)) {
      linear.linear(rows, in, weight, out);
    }
  }

  @Override
  public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {
    requireRows(rows, head.columns(), "logits");
    requireWeight(head, "logits");
    requireActivations(in, (long) rows * head.columns(), "logits: in");
    requireFloats(out, (long) rows * head.rows(), "logits: out");
    if (launches(rows)) {
      linear.logits(rows, in, head, out);
    }
  }

  @Override
  public void rotateAndCache(
      StepInputs step,
      AttentionShape shape,
      @Nullable QkNorm norm,
      RotaryTable rotary,
      Buffer qkv,
      KvArena cache,
      int layer) {
    requireCached(step, shape, cache, layer);
    CudaRotary.requireSupported(rotary);
    switch (mode) {
      case ALONE -> StepChecks.rotated(step, shape, rotary);
      case GATHER -> rules.rotated(shape, rotary);
      case LAUNCH -> {}
    }
    if (norm != null) {
      requireFloats(norm.query(), shape.headDim(), "rotateAndCache: query norm");
      requireFloats(norm.key(), shape.headDim(), "rotateAndCache: key norm");
    }
    requireActivations(qkv, (long) step.tokens() * shape.qkvColumns(), "rotateAndCache: qkv");
    if (launches(step.tokens())) {
      this.rotary.rotateAndCache(step, shape, norm, rotary, qkv, cache, layer);
    }
  }

  @Override
  public void attention(
      StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
    requireCached(step, shape, cache, layer);
    requireActivations(qkv, (long) step.tokens() * shape.qkvColumns(), "attention: qkv");
    long elements = (long) step.tokens() * shape.heads() * shape.headDim();
    requireActivations(out, elements, "attention: out");
    if (launches(step.tokens())) {
      attention.attention(step, shape, qkv, cache, layer, out);
    }
  }

  private void requireCached(StepInputs step, AttentionShape shape, KvArena cache, int layer) {
    CudaAttention.requireSupported(shape);
    switch (mode) {
      case ALONE -> StepChecks.cached(step, shape, cache, layer);
      case GATHER -> rules.cached(shape, cache, layer);
      case LAUNCH -> {}
    }
    if (cache.shape().type() != activation) {
      throw new IllegalArgumentException(
          "the cache is of " + cache.shape().type() + ", activations of " + activation);
    }
  }

  @Override
  public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
    long elements = requireRows(rows, width, "gatedActivation");
    requireActivations(gateUp, 2 * elements, "gatedActivation: gateUp");
    requireActivations(out, elements, "gatedActivation: out");
    if (launches(rows)) {
      activations.gatedActivation(rows, width, gateUp, out);
    }
  }

  @Override
  public void sample(
      int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    switch (mode) {
      case ALONE -> SampleChecks.sampled(rows, vocabulary, logits, parameters, results);
      case GATHER -> {
        rules.sampled(vocabulary, logits, parameters, results);
        // The size class's rows are computed, though only the step's are asked for.
        StepChecks.holds(logits, (long) rows * vocabulary, Float.BYTES, "sample: logits");
        StepChecks.holds(parameters.rows(), rows, SampleLayout.ROW_BYTES, "sample: rows");
        StepChecks.holds(results, rows, SampleLayout.RESULT_BYTES, "sample: results");
      }
      case LAUNCH -> {}
    }
    if (launches(rows)) {
      sample.sample(
          mode == Mode.LAUNCH ? counts : ALL_ROWS, rows, vocabulary, logits, parameters, results);
    }
  }

  @Override
  public void copyBlocks(KvArena cache, int count, Buffer pairs) {
    if (mode != Mode.ALONE) {
      throw new IllegalStateException("copyBlocks belongs between steps, not into one");
    }
    StepChecks.holds(pairs, 2L * count, Integer.BYTES, "copyBlocks: pairs");
    StepChecks.copied(cache, count, pairs);
    if (launches(count)) {
      copy.copyBlocks(cache, count, pairs);
    }
  }

  /** Elements of so many rows. */
  private static long requireRows(int rows, int columns, String op) {
    if (rows < 0 || columns < 1) {
      throw new IllegalArgumentException(op + ": " + rows + " rows of " + columns);
    }
    return (long) rows * columns;
  }

  // What is required is named by constants: a step makes no garbage, not even text.

  private void requireWeight(LinearWeight weight, String op) {
    if (weight.type() != activation) {
      throw new IllegalArgumentException(
          op
              + ": this device was reserved for weights and activations of "
              + activation
              + ", not of "
              + weight.type());
    }
    long bytes = PackedWeights.bytes(weight.rows(), weight.columns());
    require(weight.packed(), bytes, 1, "the packed weight");
    Buffer bias = weight.bias();
    if (bias != null) {
      requireFloats(bias, weight.rows(), "the bias of a weight");
    }
  }

  private void requireActivations(Buffer buffer, long elements, String what) {
    require(buffer, elements, activation.bytes(), what);
  }

  private static void requireFloats(Buffer buffer, long elements, String what) {
    require(buffer, elements, Float.BYTES, what);
  }

  private static void require(Buffer buffer, long elements, int elementBytes, String what) {
    if (!(buffer instanceof DeviceBuffer)) {
      throw new IllegalArgumentException(what + " is not in a GPU's memory");
    }
    StepChecks.holds(buffer, elements, elementBytes, what);
  }
}
