package dev.weir.engine;

import dev.weir.engine.model.LoadProgress;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.run.LoopOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * How to open an engine. Only the model is required; {@link #of} gives defaults for the rest, the
 * {@code with…} methods change them.
 *
 * @param model a Hugging Face model directory, or the top folder of its hub cache entry
 * @param devices what computes: one, or several of a kind that each hold the whole model
 * @param threads worker threads of a CPU device
 * @param contextLength the longest sequence, prompt and output together; absent: what the model was
 *     made for
 * @param shards how many share the devices, each with its own part of a device's KV memory; those
 *     of one device run in the same steps. A multiple of the number of devices, or 1: one for each
 * @param lockstep whether several devices begin and end their steps together
 * @param slots the most sequences that run at once on a device, over all its shards
 * @param queue the most sequences that wait beyond these, each choice of a request being one; a
 *     request for which there is no room is refused
 * @param kvBytes each device's memory for keys and values; absent: {@value #DEFAULT_KV_PERCENT} %
 *     of the machine's memory, on a GPU {@value #DEFAULT_GPU_KV_PERCENT} % of what the weights
 *     leave free there, or what all slots together can use if that is less
 * @param hostKvBytes host memory, one for all devices, for keys and values of contexts that are
 *     idle, restored when they are wanted again; 0: none
 * @param stepTokens the most tokens of one step; absent: {@value #DEFAULT_STEP_TOKENS}, on a GPU
 *     {@value #DEFAULT_GPU_STEP_TOKENS}, and as many as there are slots at least
 * @param scheduling how the time of steps is shared between prompts and streams
 * @param reusePrefixes whether computed prefixes are kept and found again
 * @param limits time limits of requests that have none of their own
 * @param maxQueueTime a request that is predicted to have its first token later is refused at once:
 *     for good if it would take longer than that by itself
 * @param sessionLease for how long an idle session's KV is spared before others'
 * @param journal where arrivals, plans and results are written down; absent: nowhere
 * @param progress hears how far loading is
 */
public record EngineOptions(
    Path model,
    List<DeviceChoice> devices,
    int threads,
    OptionalInt contextLength,
    int shards,
    boolean lockstep,
    int slots,
    int queue,
    OptionalLong kvBytes,
    long hostKvBytes,
    OptionalInt stepTokens,
    Scheduling scheduling,
    boolean reusePrefixes,
    TimeLimits limits,
    Optional<Duration> maxQueueTime,
    Duration sessionLease,
    Optional<Path> journal,
    LoadProgress progress) {

  /** Enough that batching pays, few enough that the tables stay small. */
  public static final int DEFAULT_SLOTS = 64;

  /** A burst of this size waits; beyond it waiting longer helps nobody. */
  public static final int DEFAULT_QUEUE = 1024;

  /**
   * A step of so many tokens keeps every core's matrix units busy; a longer one only delays
   * cancellation.
   */
  public static final int DEFAULT_STEP_TOKENS = 512;

  /** The same for a GPU, which is as much faster as this is more. */
  public static final int DEFAULT_GPU_STEP_TOKENS = 2048;

  /** Leaves room for the weights and for everything else on the machine. */
  public static final int DEFAULT_KV_PERCENT = 25;

  /** Leaves room for recorded steps, and for what the driver takes by itself. */
  public static final int DEFAULT_GPU_KV_PERCENT = 90;

  /** So many requests take hours to answer; a longer queue only hides an overload. */
  public static final int MAX_QUEUE = 1 << 20;

  /** A step of so many tokens takes seconds on any device, and gigabytes of activations. */
  public static final int MAX_STEP_TOKENS = 1 << 16;

  /** Each needs room for a whole context; more parts than this only keep them apart. */
  public static final int MAX_SHARDS = 1024;

  /** More threads than this share caches and memory without gain in one engine. */
  public static final int MAX_THREADS = 256;

  /** More GPUs than one machine holds. */
  public static final int MAX_DEVICES = 64;

  /** A person's or an agent's time between two turns, mostly. */
  public static final Duration DEFAULT_SESSION_LEASE =
      Duration.ofNanos(LoopOptions.DEFAULT_LEASE_NANOS);

  public EngineOptions {
    devices = List.copyOf(devices);
    check(
        !devices.isEmpty() && devices.size() <= MAX_DEVICES,
        "the number of devices",
        devices.size(),
        "1 to " + MAX_DEVICES);
    check(
        devices.size() == 1 || !devices.contains(DeviceChoice.AUTO),
        "one of several devices",
        "auto",
        "named");
    check(
        shards == 1 || shards % devices.size() == 0,
        "shards",
        shards,
        "a multiple of the " + devices.size() + " devices");
    check(hostKvBytes >= 0, "host KV bytes", hostKvBytes, "0 or more");
    check(!sessionLease.isNegative(), "the session lease", sessionLease, "0 or more");
    check(
        maxQueueTime.isEmpty() || maxQueueTime.get().isPositive(),
        "the longest queue time",
        maxQueueTime.orElse(Duration.ZERO),
        "positive");
    check(threads >= 1 && threads <= MAX_THREADS, "threads", threads, "1 to " + MAX_THREADS);
    check(
        contextLength.isEmpty() || contextLength.getAsInt() >= 2,
        "context length",
        contextLength,
        "at least 2");
    int mostStepTokens = stepTokens.orElse(MAX_STEP_TOKENS);
    check(
        mostStepTokens >= 1 && mostStepTokens <= MAX_STEP_TOKENS,
        "step tokens",
        mostStepTokens,
        "1 to " + MAX_STEP_TOKENS);
    check(shards >= 1 && shards <= MAX_SHARDS, "shards", shards, "1 to " + MAX_SHARDS);
    check(slots >= 1 && slots <= mostStepTokens, "slots", slots, "1 to the step's tokens");
    check(queue >= 0 && queue <= MAX_QUEUE, "queue", queue, "0 to " + MAX_QUEUE);
    check(kvBytes.isEmpty() || kvBytes.getAsLong() >= 1, "KV bytes", kvBytes, "at least 1");
  }

  private static void check(boolean holds, String what, Object found, String wanted) {
    if (!holds) {
      throw new IllegalArgumentException(what + " is " + found + ", must be " + wanted);
    }
  }

  /** Defaults for a model: all processors, {@link #DEFAULT_SLOTS} slots. */
  public static EngineOptions of(Path model) {
    return new EngineOptions(
        model,
        List.of(DeviceChoice.AUTO),
        Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors()),
        OptionalInt.empty(),
        1,
        false,
        DEFAULT_SLOTS,
        DEFAULT_QUEUE,
        OptionalLong.empty(),
        0,
        OptionalInt.empty(),
        Scheduling.DEFAULT,
        true,
        TimeLimits.NONE,
        Optional.empty(),
        DEFAULT_SESSION_LEASE,
        Optional.empty(),
        LoadProgress.SILENT);
  }

  /** These options with one device. */
  public EngineOptions withDevice(DeviceChoice value) {
    return withDevices(List.of(value));
  }

  /** These options with other {@link #devices}. */
  public EngineOptions withDevices(List<DeviceChoice> value) {
    return with(changed -> changed.devices = value);
  }

  /** These options with another {@link #lockstep}. */
  public EngineOptions withLockstep(boolean value) {
    return with(changed -> changed.lockstep = value);
  }

  /** These options with other {@link #hostKvBytes}. */
  public EngineOptions withHostKvBytes(long value) {
    return with(changed -> changed.hostKvBytes = value);
  }

  /** These options with other {@link #limits}. */
  public EngineOptions withLimits(TimeLimits value) {
    return with(changed -> changed.limits = value);
  }

  /** These options with another {@link #maxQueueTime}. */
  public EngineOptions withMaxQueueTime(Duration value) {
    return with(changed -> changed.maxQueueTime = Optional.of(value));
  }

  /** These options with another {@link #sessionLease}. */
  public EngineOptions withSessionLease(Duration value) {
    return with(changed -> changed.sessionLease = value);
  }

  /** These options with a {@link #journal}. */
  public EngineOptions withJournal(Path value) {
    return with(changed -> changed.journal = Optional.of(value));
  }

  /** How many shards there are: one for each device at least. */
  int allShards() {
    return Math.max(shards, devices.size());
  }

  /** These options with another {@link #threads}. */
  public EngineOptions withThreads(int value) {
    return with(changed -> changed.threads = value);
  }

  /** These options with another {@link #contextLength}. */
  public EngineOptions withContextLength(int value) {
    return with(changed -> changed.contextLength = OptionalInt.of(value));
  }

  /** These options with another {@link #shards}. */
  public EngineOptions withShards(int value) {
    return with(changed -> changed.shards = value);
  }

  /** These options with another {@link #slots}. */
  public EngineOptions withSlots(int value) {
    return with(changed -> changed.slots = value);
  }

  /** These options with another {@link #queue}. */
  public EngineOptions withQueue(int value) {
    return with(changed -> changed.queue = value);
  }

  /** These options with another {@link #kvBytes}. */
  public EngineOptions withKvBytes(long value) {
    return with(changed -> changed.kvBytes = OptionalLong.of(value));
  }

  /** These options with another {@link #stepTokens}. */
  public EngineOptions withStepTokens(int value) {
    return with(changed -> changed.stepTokens = OptionalInt.of(value));
  }

  /** These options with another {@link #scheduling}. */
  public EngineOptions withScheduling(Scheduling value) {
    return with(changed -> changed.scheduling = value);
  }

  /** These options with another {@link #reusePrefixes}. */
  public EngineOptions withReusePrefixes(boolean value) {
    return with(changed -> changed.reusePrefixes = value);
  }

  /** These options with another {@link #progress}. */
  public EngineOptions withProgress(LoadProgress value) {
    return with(changed -> changed.progress = value);
  }

  private EngineOptions with(Consumer<Changed> change) {
    Changed changed = new Changed(this);
    change.accept(changed);
    return changed.options();
  }

  /** A copy to change one value in, so that a {@code with…} method names no other. */
  private static final class Changed {
    private final Path model;
    private List<DeviceChoice> devices;
    private int threads;
    private OptionalInt contextLength;
    private int shards;
    private boolean lockstep;
    private int slots;
    private int queue;
    private OptionalLong kvBytes;
    private long hostKvBytes;
    private OptionalInt stepTokens;
    private Scheduling scheduling;
    private boolean reusePrefixes;
    private TimeLimits limits;
    private Optional<Duration> maxQueueTime;
    private Duration sessionLease;
    private Optional<Path> journal;
    private LoadProgress progress;

    Changed(EngineOptions from) {
      model = from.model;
      devices = from.devices;
      threads = from.threads;
      contextLength = from.contextLength;
      shards = from.shards;
      lockstep = from.lockstep;
      slots = from.slots;
      queue = from.queue;
      kvBytes = from.kvBytes;
      hostKvBytes = from.hostKvBytes;
      stepTokens = from.stepTokens;
      scheduling = from.scheduling;
      reusePrefixes = from.reusePrefixes;
      limits = from.limits;
      maxQueueTime = from.maxQueueTime;
      sessionLease = from.sessionLease;
      journal = from.journal;
      progress = from.progress;
    }

    EngineOptions options() {
      return new EngineOptions(
          model,
          devices,
          threads,
          contextLength,
          shards,
          lockstep,
          slots,
          queue,
          kvBytes,
          hostKvBytes,
          stepTokens,
          scheduling,
          reusePrefixes,
          limits,
          maxQueueTime,
          sessionLease,
          journal,
          progress);
    }
  }
}
