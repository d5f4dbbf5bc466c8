package dev.weir.server.cli;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.run.JournalException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Which model, and what computes it: the options that every command has. */
final class ModelOptions {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  @SuppressWarnings("UnusedVariable") // picocli prints and ends by itself
  private boolean help;

  private static final String SNAPSHOTS = "snapshots";
  private static final String HUB_PREFIX = "models--";

  @Option(
      names = {"-m", "--model"},
      paramLabel = "DIR",
      description =
          "Hugging Face model directory, or a model's folder in the hub cache. Default: the small demo model that comes with Weir.")
  private @Nullable Path model;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description =
          "What computes: cuda (the first NVIDIA GPU; cuda:N another), cpu (C kernels), reference"
              + " (portable Java, slow), auto (the fastest that works here). Default: auto.",
      converter = DeviceChoiceConverter.class)
  private @Nullable DeviceChoice device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute. Default: one per processor.")
  private @Nullable Integer threads;

  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      description =
          "Longest sequence, prompt and answer together. Default: what the model was made for.")
  private @Nullable Integer context;

  /** Reads the name of a device. */
  static final class DeviceChoiceConverter implements ITypeConverter<DeviceChoice> {
    @Override
    public DeviceChoice convert(String value) {
      try {
        return DeviceChoice.parse(value.toLowerCase(Locale.ROOT));
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** The model directory: of the option, else of a positional argument, else the demo model. */
  Path directory(@Nullable Path positional) {
    if (model != null && positional != null) {
      throw new CommandException(
          ExitStatus.USAGE, "two models are named, %s and %s".formatted(model, positional));
    }
    if (model != null) {
      return model;
    }
    return positional != null ? positional : DemoModel.directory();
  }

  /** Whether {@code --model} was given. */
  boolean isNamed() {
    return model != null;
  }

  /** What to call the model: its folder's name, or its name on the hub. */
  String name(@Nullable Path positional) {
    Path given = model != null ? model : positional;
    return given == null ? DemoModel.NAME : nameOf(given.toAbsolutePath().normalize());
  }

  /** {@code …/models--org--name/snapshots/hash} and {@code …/models--org--name}: org/name. */
  static String nameOf(Path directory) {
    Path folder = directory;
    Path parent = folder.getParent();
    if (parent != null && parent.endsWith(SNAPSHOTS) && parent.getParent() != null) {
      folder = parent.getParent();
    }
    Path last = folder.getFileName();
    String name = last == null ? "model" : last.toString();
    return name.startsWith(HUB_PREFIX)
        ? name.substring(HUB_PREFIX.length()).replace("--", "/")
        : name;
  }

  /** Options for an engine that serves one conversation at a time. */
  EngineOptions forOneUser(@Nullable Path positional, PrintWriter err) {
    return engineOptions(positional, err, options -> options.withSlots(1).withQueue(1));
  }

  /** Whether a device is named. */
  boolean namesDevice() {
    return device != null;
  }

  /**
   * The engine's options.
   *
   * @param further sets those that are not about the model
   * @throws CommandException if a value is out of range
   */
  EngineOptions engineOptions(
      @Nullable Path positional, PrintWriter err, UnaryOperator<EngineOptions> further) {
    Path directory = directory(positional);
    LoadBar bar =
        new LoadBar(
            err,
            () -> Terminal.isTerminal(Terminal.STANDARD_ERROR),
            name(positional),
            System::nanoTime);
    try {
      EngineOptions options = EngineOptions.of(directory).withProgress(bar);
      options = device == null ? options : options.withDevice(device);
      options = threads == null ? options : options.withThreads(threads);
      options = context == null ? options : options.withContextLength(context);
      return further.apply(options);
    } catch (IllegalArgumentException | InvalidRequestException e) {
      throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
    }
  }

  /**
   * Loads the model.
   *
   * @throws CommandException if the options cannot hold together with this model, or there can be
   *     no such journal
   */
  static Engine open(EngineOptions options) {
    try {
      return Engine.open(options);
    } catch (JournalException e) {
      throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
    } catch (IllegalArgumentException e) { // known only once the model is: a KV memory of no block
      throw new CommandException(ExitStatus.USAGE, Failures.describe(e), e);
    }
  }
}
