package dev.weir.engine.run;

import dev.weir.engine.testing.LateDevice;
import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.BlockCopies;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.Completion;
import dev.weir.kernels.DType;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.Kernels;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.LinearWeight;
import dev.weir.kernels.QkNorm;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import dev.weir.kernels.StepProgram;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A device whose ops and exchanges work, but for the calls that a test chooses. Once one fails as
 * on a lost device, every later call fails too.
 */
final class FailingDevice implements Device {
  /** What the loop calls. */
  enum Call {
    UPLOAD,
    COMPUTE,
    OP,
    DOWNLOAD,
    AWAIT,
    DONE,
    TO_HOST,
    FROM_HOST,
    FROM_PEER,
    SUBMIT
  }

  private final Device real;
  private final Kernels kernels;
  private @Nullable Call which;
  private int callsUntilFailure = -1;
  private int failuresLeft;
  private @Nullable DeviceLostException lost;
  private Throwable failure = new IllegalStateException("not armed");
  private IntConsumer computing = tokens -> {};

  FailingDevice(Device real) {
    this.real = real;
    kernels = new FailingKernels(real.kernels());
  }

  /** The n-th call from now on, counted from 0, throws a RuntimeException or an Error. */
  void failAfter(int calls, Throwable how) {
    arm(null, calls, 1, how);
  }

  /** So many calls of a kind from the n-th on, counted from 0, throw. */
  void failAt(Call kind, int calls, int failures, Throwable how) {
    arm(kind, calls, failures, how);
  }

  private void arm(@Nullable Call kind, int calls, int failures, Throwable how) {
    which = kind;
    callsUntilFailure = calls;
    failuresLeft = failures;
    failure = how;
  }

  /** Whether a failure that was asked for has not happened yet. */
  boolean armed() {
    return failuresLeft > 0;
  }

  void disarm() {
    failuresLeft = 0;
  }

  /** From now on every call fails, and what is in flight never ends. */
  void lose(DeviceLostException why) {
    lost = why;
    failuresLeft = 0;
    if (real instanceof LateDevice late) {
      late.lose();
    }
  }

  /** Is told how many tokens each step has, when it is handed over. */
  void whenComputing(IntConsumer listener) {
    computing = listener;
  }

  private void called(Call call) {
    if (lost != null) {
      throw lost;
    }
    if (failuresLeft == 0 || (which != null && which != call) || callsUntilFailure-- > 0) {
      return;
    }
    failuresLeft--;
    callsUntilFailure = 0;
    if (failure instanceof DeviceLostException gone) {
      lose(gone);
    }
    switch (failure) {
      case RuntimeException exception -> throw exception;
      case Error error -> throw error;
      default -> throw new IllegalArgumentException(failure);
    }
  }

  @Override
  public String name() {
    return real.name();
  }

  @Override
  public DType weightType(DType checkpoint) {
    return real.weightType(checkpoint);
  }

  @Override
  public DType activationType(DType weights) {
    return real.activationType(weights);
  }

  @Override
  public DType kvType(DType weights) {
    return real.kvType(weights);
  }

  @Override
  public Buffer allocate(long bytes, String purpose) {
    return real.allocate(bytes, purpose);
  }

  @Override
  public void free(Buffer buffer) {
    real.free(buffer);
  }

  @Override
  public Staging staging(long bytes, String purpose) {
    return real.staging(bytes, purpose);
  }

  @Override
  public void upload(Staging staging, long offset, long bytes) {
    called(Call.UPLOAD);
    real.upload(staging, offset, bytes);
  }

  @Override
  public void download(Staging staging, long bytes, Completion completion) {
    called(Call.DOWNLOAD);
    real.download(staging, bytes, ((FailingCompletion) completion).real);
  }

  @Override
  public Completion completion() {
    return new FailingCompletion(real.completion());
  }

  private final class FailingCompletion implements Completion {
    private final Completion real;

    FailingCompletion(Completion real) {
      this.real = real;
    }

    @Override
    public void await() {
      called(Call.AWAIT);
      real.await();
    }

    @Override
    public boolean done() {
      called(Call.DONE);
      return real.done();
    }
  }

  @Override
  public MemorySegment hostMemory(long bytes, String purpose) {
    return real.hostMemory(bytes, purpose);
  }

  @Override
  public BlockCopies copies() {
    return new FailingCopies(real.copies());
  }

  private final class FailingCopies implements BlockCopies {
    private final BlockCopies real;

    FailingCopies(BlockCopies real) {
      this.real = real;
    }

    @Override
    public void toHost(KvArena source, int block, MemorySegment hostBlock) {
      called(Call.TO_HOST);
      real.toHost(source, block, hostBlock);
    }

    @Override
    public void fromHost(MemorySegment hostBlock, KvArena destination, int block) {
      called(Call.FROM_HOST);
      real.fromHost(hostBlock, destination, block);
    }

    @Override
    public void fromPeer(
        Device peer, KvArena source, int sourceBlock, KvArena destination, int block) {
      called(Call.FROM_PEER);
      Device behind = peer;
      if (peer instanceof FailingDevice failing) {
        if (failing.lost != null) {
          throw failing.lost;
        }
        behind = failing.real;
      }
      real.fromPeer(behind, source, sourceBlock, destination, block);
    }

    @Override
    public void submit(Completion completion) {
      called(Call.SUBMIT);
      real.submit(((FailingCompletion) completion).real);
    }
  }

  /** Once a call has failed as on a lost device. */
  @Override
  public boolean lost() {
    return lost != null || real.lost();
  }

  @Override
  public boolean asynchronous() {
    return real.asynchronous();
  }

  @Override
  public void reserve(StepLimits limits) {
    real.reserve(limits);
  }

  @Override
  public void compute(StepInputs step, StepProgram program) {
    called(Call.COMPUTE);
    computing.accept(step.tokens());
    real.compute(step, program);
  }

  @Override
  public void write(Buffer destination, long offset, MemorySegment source) {
    real.write(destination, offset, source);
  }

  @Override
  public void read(Buffer source, long offset, MemorySegment destination) {
    real.read(source, offset, destination);
  }

  @Override
  public LinearWeight allocateLinear(DType type, int rows, int columns, String purpose) {
    return real.allocateLinear(type, rows, columns, purpose);
  }

  @Override
  public void pack(LinearWeight weight, int firstRow, int count, MemorySegment source) {
    real.pack(weight, firstRow, count, source);
  }

  @Override
  public KvArena allocateKv(KvShape shape, int blocks) {
    return real.allocateKv(shape, blocks);
  }

  @Override
  public Kernels kernels() {
    return kernels;
  }

  @Override
  public void close() {
    real.close();
  }

  private final class FailingKernels implements Kernels {
    private final Kernels ops;

    FailingKernels(Kernels ops) {
      this.ops = ops;
    }

    @Override
    public void prepare(StepInputs step) {
      called(Call.OP);
      ops.prepare(step);
    }

    @Override
    public void embed(StepInputs step, LinearWeight table, Buffer out) {
      called(Call.OP);
      ops.embed(step, table, out);
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
      called(Call.OP);
      ops.addRmsNorm(rows, dim, residual, delta, weight, epsilon, out);
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
      called(Call.OP);
      ops.gatherAddRmsNorm(step, dim, residual, delta, weight, epsilon, out);
    }

    @Override
    public void linear(int rows, Buffer in, LinearWeight weight, Buffer out) {
      called(Call.OP);
      ops.linear(rows, in, weight, out);
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
      called(Call.OP);
      ops.rotateAndCache(step, shape, norm, rotary, qkv, cache, layer);
    }

    @Override
    public void attention(
        StepInputs step, AttentionShape shape, Buffer qkv, KvArena cache, int layer, Buffer out) {
      called(Call.OP);
      ops.attention(step, shape, qkv, cache, layer, out);
    }

    @Override
    public void gatedActivation(int rows, int width, Buffer gateUp, Buffer out) {
      called(Call.OP);
      ops.gatedActivation(rows, width, gateUp, out);
    }

    @Override
    public void logits(int rows, Buffer in, LinearWeight head, Buffer out) {
      called(Call.OP);
      ops.logits(rows, in, head, out);
    }

    @Override
    public void sample(
        int rows, int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
      called(Call.OP);
      ops.sample(rows, vocabulary, logits, parameters, results);
    }

    @Override
    public void copyBlocks(KvArena cache, int count, Buffer pairs) {
      called(Call.OP);
      ops.copyBlocks(cache, count, pairs);
    }
  }
}
