package dev.weir.engine;

import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.load.ModelDirectory;
import dev.weir.engine.load.ModelIdentity;
import dev.weir.engine.model.GenerationDefaults;
import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.model.ModelConfigReader;
import dev.weir.engine.model.Transformer;
import dev.weir.engine.model.Weights;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.EngineClosedException;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.JournalStats;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.run.DeviceModel;
import dev.weir.engine.run.Journal;
import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.run.LoopOptions;
import dev.weir.engine.run.StepLoop;
import dev.weir.engine.text.ChatTemplate;
import dev.weir.engine.text.Tokenizer;
import dev.weir.engine.text.jinja.RenderLimits;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A model, loaded and ready: the embedding API, and the only door to everything below it.
 *
 * <pre>{@code
 * try (Engine engine = Engine.open(EngineOptions.of(Path.of("models/Qwen3-0.6B")))) {
 *   Request request = Request.of(Prompt.of("Once upon a time"), Sampling.greedy(64));
 *   try (Generation generation = engine.submit(request)) {
 *     System.out.println(generation.await().choices().getFirst().text());
 *   }
 * }
 * }</pre>
 *
 * <p>Thread-safe. {@link #submit} tokenises on the calling thread and returns at once; everything
 * is computed by the engine's own threads. The same request with the same seed gives the same
 * tokens, whatever else the engine does.
 */
public final class Engine implements AutoCloseable {
  /** How long start-up may spend on learning what steps cost. */
  private static final Duration CALIBRATION_TIME = Duration.ofMillis(500);

  private final ModelConfig config;
  private final GenerationDefaults defaults;
  private final Tokenizer tokenizer;
  private final ChatTemplate chatTemplate;
  private final List<Device> devices;
  private final Scheduling scheduling;
  private final StepLoop loop;
  private final Path directory;
  private @Nullable Journal journal;

  /** The index numbers the blocks of all devices and of host memory together. */
  private static final int MAX_HOST_BLOCKS = 1 << 24;

  private Engine(
      ModelConfig config,
      GenerationDefaults defaults,
      Tokenizer tokenizer,
      List<Device> devices,
      Scheduling scheduling,
      StepLoop loop,
      Path directory) {
    this.directory = directory;
    this.config = config;
    this.scheduling = scheduling;
    this.defaults = defaults;
    this.tokenizer = tokenizer;
    chatTemplate =
        ChatTemplate.of(tokenizer, Clock.system(ZoneId.systemDefault()), RenderLimits.DEFAULT);
    this.devices = devices;
    this.loop = loop;
  }

  /**
   * Loads a model and starts its step loop.
   *
   * @throws dev.weir.engine.load.ModelLoadException naming the file that is missing or wrong
   * @throws dev.weir.kernels.DeviceMemoryException if weights or cache do not fit
   * @throws IllegalStateException if the device that was asked for cannot be used; says why
   * @throws dev.weir.kernels.UnsupportedShapeException if the device that was asked for cannot
   *     compute models of this shape
   * @throws IllegalArgumentException if the options ask for a longer context than the model's, or
   *     for KV memory that holds no block
   * @throws dev.weir.engine.run.JournalException if the journal's file cannot be made
   */
  public static Engine open(EngineOptions options) {
    return open(options, Devices.of(options.devices(), options.threads()));
  }

  /** The same on a device of the caller's, closed with the engine. */
  static Engine open(EngineOptions options, Supplier<Device> device) {
    return open(options, List.of(() -> List.of(device.get())));
  }

  private static Engine open(EngineOptions options, List<Supplier<List<Device>>> ways) {
    options.journal().ifPresent(Journal::check);
    Path directory = ModelDirectory.resolve(options.model());
    ModelConfig config = ModelConfigReader.read(directory);
    GenerationDefaults defaults = GenerationDefaults.read(directory, config);
    Tokenizer tokenizer = Tokenizer.load(directory);
    try {
      return Devices.use(
          ways, devices -> open(options, directory, config, defaults, tokenizer, devices));
    } catch (RuntimeException | Error failure) {
      tokenizer.close();
      throw failure;
    }
  }

  private static Engine open(
      EngineOptions options,
      Path directory,
      ModelConfig config,
      GenerationDefaults defaults,
      Tokenizer tokenizer,
      List<Device> devices) {
    try {
      StepLoop loop = stepLoop(options, directory, config, defaults, tokenizer, devices);
      loop.calibrate(CALIBRATION_TIME);
      Engine engine =
          new Engine(config, defaults, tokenizer, devices, options.scheduling(), loop, directory);
      options.journal().ifPresent(engine::writeTo);
      loop.start(); // last: a failure before this closes devices that nobody uses
      return engine;
    } catch (RuntimeException | Error failure) {
      devices.forEach(Device::close);
      throw failure;
    }
  }

  private static StepLoop stepLoop(
      EngineOptions options,
      Path directory,
      ModelConfig config,
      GenerationDefaults defaults,
      Tokenizer tokenizer,
      List<Device> devices) {
    int contextLength = contextLength(options, config);
    int stepTokens =
        options
            .stepTokens()
            .orElseGet(
                () -> Math.max(options.slots(), Devices.defaultStepTokens(devices.getFirst())));
    List<DeviceModel> models = new ArrayList<>(devices.size());
    for (Device device : devices) {
      models.add(load(options, directory, config, device, contextLength, stepTokens));
    }
    return new StepLoop(
        models,
        tokenizer,
        defaults.eosIds().stream().mapToInt(Integer::intValue).toArray(),
        loopOptions(
            options,
            models.getFirst().arena().shape(),
            contextLength,
            Devices.planLimits(devices.getFirst(), stepTokens, options.scheduling())),
        System::nanoTime);
  }

  private static DeviceModel load(
      EngineOptions options,
      Path directory,
      ModelConfig config,
      Device device,
      int contextLength,
      int stepTokens) {
    Weights weights;
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      weights = Weights.load(checkpoint, config, device, options.progress());
    }
    Transformer transformer =
        new Transformer(config, weights, device, contextLength, stepTokens, options.slots());
    KvArena arena =
        device.allocateKv(
            transformer.kvShape(), kvBlocks(options, device, transformer.kvShape(), contextLength));
    return new DeviceModel(device, transformer, arena, new CostModel());
  }

  private static LoopOptions loopOptions(
      EngineOptions options, KvShape shape, int contextLength, PlanLimits limits) {
    long hostBlocks = options.hostKvBytes() / shape.blockBytes();
    if (options.hostKvBytes() > 0 && hostBlocks == 0) {
      throw new IllegalArgumentException(
          "the host's KV memory of %d bytes is too small for a block of %d bytes"
              .formatted(options.hostKvBytes(), shape.blockBytes()));
    }
    return LoopOptions.of(
            options.allShards(),
            options.slots(),
            options.queue(),
            contextLength,
            options.reusePrefixes(),
            limits)
        .withLockstep(options.lockstep())
        .withHostBlocks((int) Math.min(hostBlocks, MAX_HOST_BLOCKS))
        .withTimes(
            options.limits(),
            options.maxQueueTime().map(Duration::toNanos).orElse(LoopOptions.NO_LIMIT),
            options.sessionLease().toNanos());
  }

  private static int contextLength(EngineOptions options, ModelConfig config) {
    int asked = options.contextLength().orElse(config.contextLength());
    if (asked > config.contextLength()) {
      throw new IllegalArgumentException(
          "the context length is %d, but the model was made for at most %d tokens; ask for no more"
              .formatted(asked, config.contextLength()));
    }
    return asked;
  }

  private static int kvBlocks(
      EngineOptions options, Device device, KvShape shape, int contextLength) {
    long bytes = options.kvBytes().orElseGet(() -> Devices.defaultKvBytes(device));
    long perSequence = Math.ceilDiv(contextLength, KvShape.BLOCK_TOKENS);
    int shards = options.allShards() / options.devices().size();
    long usable = perSequence * Math.max(options.slots(), shards);
    long affordable = bytes / shape.blockBytes();
    if (affordable < shards) {
      throw new IllegalArgumentException(
          "the KV memory of %d bytes is too small for %d shard(s); one block of %d tokens takes %d bytes, a whole context of %d tokens %d"
              .formatted(
                  bytes,
                  shards,
                  KvShape.BLOCK_TOKENS,
                  shape.blockBytes(),
                  contextLength,
                  perSequence * shape.blockBytes()));
    }
    return (int) Math.min(Math.min(usable, affordable), Integer.MAX_VALUE / KvShape.BLOCK_TOKENS);
  }

  /**
   * Takes a request; the engine starts on it as soon as there is room.
   *
   * @throws InvalidRequestException if the request can never be served, or its prompt alone is
   *     predicted to take too long; says why
   * @throws dev.weir.engine.request.OverloadedException if the queue is full, or predicted to take
   *     too long
   * @throws EngineClosedException if the engine is closed
   */
  public Generation submit(Request request) {
    loop.requireOpen();
    int[] prompt;
    try {
      prompt = tokens(request.prompt());
    } catch (IllegalStateException failure) {
      loop.requireOpen(); // closed while the text was encoded
      throw failure;
    }
    return loop.submit(request, prompt);
  }

  private int[] tokens(Prompt prompt) {
    return switch (prompt) {
      case Prompt.Tokens(int[] ids) -> ids.clone();
      case Prompt.Text(String text, boolean addSpecialTokens) -> {
        if (text.isEmpty() && !addSpecialTokens) {
          throw new InvalidRequestException("prompt", "the prompt is empty");
        }
        yield tokenizer.encode(text, addSpecialTokens);
      }
    };
  }

  private void writeTo(Path file) {
    Journal records = Journal.create(file, journalHeader());
    journal = records;
    loop.writeTo(records);
  }

  /** What a journal of this engine says at its beginning. */
  public JournalRecord.Header journalHeader() {
    Map<String, Object> model = new LinkedHashMap<>();
    model.put("directory", directory.toAbsolutePath().normalize().toString());
    model.put("identity", ModelIdentity.of(directory));
    model.put("vocabulary", config.vocabSize());
    model.put("end_ids", defaults.eosIds());
    return new JournalRecord.Header(
        EngineVersion.number(), model, deviceName(), loop.journalOptions());
  }

  /** What the model is. */
  public ModelConfig config() {
    return config;
  }

  /** What the model's makers suggest for generation. */
  public GenerationDefaults defaults() {
    return defaults;
  }

  /** The model's tokenizer; lives as long as the engine. */
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /** The model's chat template; {@link ChatTemplate#isPresent} says whether it has one. */
  public ChatTemplate chatTemplate() {
    return chatTemplate;
  }

  /** What computes, for people. */
  public String deviceName() {
    return devices.stream().map(Device::name).collect(Collectors.joining(", "));
  }

  /** The longest a sequence can become, prompt and output together. */
  public int contextLength() {
    return loop.limit();
  }

  /** How many tokens' keys and values there is memory for, over all sequences. */
  public long kvTokens() {
    return (long) loop.stats().blocks() * KvShape.BLOCK_TOKENS;
  }

  /** All sessions that are remembered, those with the latest request last. */
  public List<SessionInfo> sessions() {
    return loop.sessions();
  }

  /**
   * What is known of a session.
   *
   * @throws dev.weir.engine.request.UnknownSessionException if there never was one
   * @throws dev.weir.engine.request.SessionEvictedException if all of its KV was given away
   */
  public SessionInfo session(String id) {
    return loop.session(id);
  }

  /**
   * Ends a session: its KV is anybody's. A request of it that still runs goes on.
   *
   * @throws dev.weir.engine.request.UnknownSessionException if there never was one
   * @throws dev.weir.engine.request.SessionEvictedException if all of its KV was given away; the
   *     session is forgotten
   */
  public void endSession(String id) {
    loop.endSession(id);
  }

  /** How steps are shared between prompts and streams. */
  public Scheduling scheduling() {
    return scheduling;
  }

  /** What each shard holds, at this moment. */
  public List<ShardStats> shards() {
    return loop.shardStats();
  }

  /**
   * The last steps, oldest first: those with a greater number that are still remembered.
   *
   * @param after -1 for all
   */
  public List<StepRecord> steps(long after) {
    return loop.steps(after);
  }

  /** Whether what is done is still written down; where nothing is to be, nothing is lost. */
  public JournalStats journalStats() {
    return journal == null ? JournalStats.NOTHING_LOST : journal.stats();
  }

  /** What was done and is held, at this moment. */
  public EngineStats stats() {
    return loop.stats();
  }

  /**
   * Ends the step loop, fails what is left with {@code EngineClosedException}, and frees all
   * memory.
   */
  @Override
  public synchronized void close() {
    boolean ended = loop.close();
    if (journal != null && ended) { // else it goes on with what the loop may still do
      journal.close();
    }
    if (ended) {
      devices.forEach(Device::close);
    }
    tokenizer.close();
  }
}
