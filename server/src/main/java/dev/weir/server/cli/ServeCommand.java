package dev.weir.server.cli;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.server.api.Heartbeats;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Serves a model over HTTP until the process is told to end. */
@Command(
    name = "serve",
    customSynopsis = "weir serve [MODEL] [OPTIONS]",
    sortOptions = false,
    description = "Serve a model over an OpenAI-compatible HTTP API.",
    footer = {
      "",
      "Examples:",
      "  weir serve                                  the demo model, on 127.0.0.1:8080",
      "  weir serve models/Qwen3-0.6B --port 9000    a Hugging Face model directory",
      "  weir serve models/Qwen3-0.6B --kv-memory 8g --slots 128",
      "",
      "Exit status: 1 failure, 2 bad options, 3 the model cannot be loaded,",
      "4 the address cannot be used, 5 out of memory; 130 after ctrl-C, 143 after",
      "SIGTERM, which both let running requests end first.",
    })
final class ServeCommand implements Callable<Integer> {
  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it before it calls
  private CommandSpec spec;

  @Parameters(arity = "0..1", paramLabel = "MODEL", description = "The same as --model.")
  private @Nullable Path positional;

  @Mixin private ModelOptions model = new ModelOptions();

  @ArgGroup(validate = false, heading = "%nServing:%n")
  private ListenOptions listen = new ListenOptions();

  @ArgGroup(validate = false, heading = "%nSharing time and memory among requests:%n")
  private BatchOptions batch = new BatchOptions();

  @ArgGroup(validate = false, heading = "%nHow long requests may take:%n")
  private TimeOptions time = new TimeOptions();

  @ArgGroup(validate = false, heading = "%nPrompts beside running streams:%n")
  private SchedulingOptions scheduling = new SchedulingOptions();

  static final class ListenOptions {
    @Option(
        names = "--host",
        paramLabel = "HOST",
        description =
            "Address to listen on; 0.0.0.0 lets other machines in. Default: ${DEFAULT-VALUE}.",
        defaultValue = "127.0.0.1")
    private String host = "127.0.0.1";

    @Option(
        names = {"-p", "--port"},
        paramLabel = "PORT",
        description = "Port to listen on; 0 picks a free one. Default: ${DEFAULT-VALUE}.",
        defaultValue = "8080")
    private int port;

    @Option(
        names = "--journal",
        paramLabel = "FILE",
        description =
            "Write down all requests, steps and results in a new file, which weir replay reads.")
    private @Nullable Path journal;

    @Option(
        names = "--served-model-name",
        paramLabel = "NAME",
        description = "What requests call the model. Default: its directory's name.")
    private @Nullable String modelName;

    @Option(
        names = "--heartbeat",
        paramLabel = "TIME",
        converter = TimeSpan.Converter.class,
        description =
            "How long a stream may be silent before a comment is sent that clients skip; 0 for ever."
                + " Default: 15s.")
    private @Nullable Duration heartbeat;

    @Option(
        names = "--heartbeat-replies",
        description =
            "Send white space before replies that are not streamed, as often; their status is 200"
                + " from then on, and a later failure is an error in the body. A request asks for"
                + " it by itself with the header X-Weir-Heartbeat.")
    private boolean heartbeatReplies;

    Heartbeats heartbeats() {
      try {
        return new Heartbeats(
            heartbeat == null ? Heartbeats.DEFAULT_INTERVAL : heartbeat, heartbeatReplies);
      } catch (IllegalArgumentException e) {
        throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
      }
    }
  }

  static final class BatchOptions {
    @Option(
        names = "--devices",
        paramLabel = "DEVICE",
        split = ",",
        converter = ModelOptions.DeviceChoiceConverter.class,
        description =
            "Several devices, each with the whole model, instead of --device: for example"
                + " cuda:0,cuda:1.")
    private List<DeviceChoice> devices = List.of();

    @Option(
        names = "--lockstep",
        description = "Let all devices begin and end their steps together.")
    private boolean lockstep;

    @Option(
        names = "--shards",
        paramLabel = "N",
        description =
            "Parts of the KV memory, over all devices; sequences of all parts of a device run in"
                + " the same steps. Default: one for each device.",
        defaultValue = "1")
    private int shards;

    @Option(
        names = "--slots",
        paramLabel = "N",
        description = "Most sequences that run at once on each device. Default: ${DEFAULT-VALUE}.",
        defaultValue = "" + EngineOptions.DEFAULT_SLOTS)
    private int slots;

    @Option(
        names = "--queue",
        paramLabel = "N",
        description =
            "Most sequences that wait beyond these, each choice of a request being one; more are"
                + " answered 429. Default: ${DEFAULT-VALUE}.",
        defaultValue = "" + EngineOptions.DEFAULT_QUEUE)
    private int queue;

    @Option(
        names = "--kv-memory",
        paramLabel = "SIZE",
        description =
            "Memory for keys and values on each device, for example 4g. Default: "
                + EngineOptions.DEFAULT_KV_PERCENT
                + " %% of the machine's memory, on a GPU "
                + EngineOptions.DEFAULT_GPU_KV_PERCENT
                + " %% of what the weights leave free there, or all that the slots can use if that"
                + " is less.")
    private @Nullable MemorySize kvMemory;

    @Option(
        names = "--host-kv",
        paramLabel = "SIZE",
        description =
            "Host memory for keys and values of idle contexts, shared by all devices; they are copied"
                + " back instead of computed again. Default: none.")
    private @Nullable MemorySize hostKv;

    @Option(
        names = "--step-tokens",
        paramLabel = "N",
        description =
            "Most tokens computed in one step. Default: "
                + EngineOptions.DEFAULT_STEP_TOKENS
                + ", on a GPU "
                + EngineOptions.DEFAULT_GPU_STEP_TOKENS
                + ".")
    private @Nullable Integer stepTokens;

    @Option(
        names = "--no-prefix-cache",
        description = "Do not keep computed prompts for requests that begin the same way.")
    private boolean noPrefixCache;

    EngineOptions set(EngineOptions defaults) {
      EngineOptions options =
          defaults.withSlots(slots).withQueue(queue).withReusePrefixes(!noPrefixCache);
      options = devices.isEmpty() ? options : options.withDevices(devices);
      options = options.withShards(shards).withLockstep(lockstep);
      options = kvMemory == null ? options : options.withKvBytes(kvMemory.bytes());
      options = hostKv == null ? options : options.withHostKvBytes(hostKv.bytes());
      return stepTokens == null ? options : options.withStepTokens(stepTokens);
    }
  }

  @Override
  public Integer call() throws InterruptedException {
    PrintWriter err = spec.commandLine().getErr();
    PrintWriter out = spec.commandLine().getOut();
    if (model.namesDevice() && !batch.devices.isEmpty()) {
      throw new CommandException(ExitStatus.USAGE, "--device and --devices exclude each other");
    }
    EngineOptions options =
        model.engineOptions(
            positional,
            err,
            defaults -> time.set(batch.set(defaults)).withScheduling(scheduling.scheduling()));
    options = listen.journal == null ? options : options.withJournal(listen.journal);
    Heartbeats heartbeats = listen.heartbeats();
    String name = listen.modelName != null ? listen.modelName : model.name(positional);
    Serving.checkAddress(listen.host, listen.port);
    Engine engine = ModelOptions.open(options);
    Serving serving = Serving.start(engine, name, heartbeats, listen.host, listen.port);
    Runtime.getRuntime().addShutdownHook(new Thread(serving::close, "weir-shutdown"));
    out.print(serving.greeting());
    out.flush();
    new CountDownLatch(1).await(); // until a signal ends the process
    return ExitStatus.OK;
  }
}
