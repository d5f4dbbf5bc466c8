package dev.weir.engine.load;

import static dev.weir.engine.load.ModelLoadException.quote;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * All tensors of a Hugging Face model directory: {@code model.safetensors}, or the shards that
 * {@code model.safetensors.index.json} lists. Mapped, not read; see {@link SafetensorsFile} for
 * memory and threads.
 *
 * <p>To load with no more memory than the packed weights and one tensor: for each tensor {@link
 * #require} it, pack it, {@link #release} it. Measured with 1136 MiB of bf16 weights copied so: the
 * process's peak (VmHWM) rose by 1169 MiB; without the releases by 2275 MiB.
 */
public final class Checkpoint implements AutoCloseable {

  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final String MISMATCH = "config.json and the weights do not belong together";

  private final Path directory;
  private final List<SafetensorsFile> files;
  private final Map<String, TensorView> tensors;

  private Checkpoint(Path directory, List<SafetensorsFile> files, Map<String, TensorView> tensors) {
    this.directory = directory;
    this.files = files;
    this.tensors = tensors;
  }

  /**
   * Opens the weights in a directory (as {@link ModelDirectory#resolve} gives it).
   *
   * @throws ModelLoadException if there are none, a file is damaged, or index and shards disagree
   */
  public static Checkpoint open(Path directory) {
    List<SafetensorsFile> files = new ArrayList<>();
    try {
      Path single = directory.resolve(SINGLE);
      Path index = directory.resolve(INDEX);
      Map<String, TensorView> tensors;
      if (Files.exists(single)) {
        files.add(SafetensorsFile.open(single));
        tensors = merge(files);
      } else if (Files.exists(index)) {
        ShardIndex shards = ShardIndex.read(index);
        for (String shard : shards.shards()) {
          files.add(SafetensorsFile.open(directory.resolve(shard)));
        }
        tensors = merge(files);
        checkIndex(index, shards, tensors);
      } else {
        throw new ModelLoadException(
            directory,
            "weights",
            "there is neither " + SINGLE + " nor " + INDEX,
            "point at the directory of a Hugging Face checkpoint in safetensors form");
      }
      return new Checkpoint(directory, List.copyOf(files), tensors);
    } catch (RuntimeException | Error e) {
      files.forEach(SafetensorsFile::close);
      throw e;
    }
  }

  private static Map<String, TensorView> merge(List<SafetensorsFile> files) {
    Map<String, TensorView> tensors = new LinkedHashMap<>();
    for (SafetensorsFile file : files) {
      for (String name : file.names()) {
        TensorView tensor = file.find(name).orElseThrow();
        TensorView other = tensors.putIfAbsent(name, tensor);
        if (other != null) {
          throw new ModelLoadException(
              file.path(),
              "tensor " + quote(name),
              "is also in " + other.file().getFileName(),
              StrictJson.DAMAGED);
        }
      }
    }
    return Collections.unmodifiableMap(tensors);
  }

  private static void checkIndex(Path index, ShardIndex shards, Map<String, TensorView> tensors) {
    shards
        .shardOf()
        .forEach(
            (name, shard) -> {
              TensorView tensor = tensors.get(name);
              if (tensor == null || !tensor.file().endsWith(shard)) {
                throw new ModelLoadException(
                    index,
                    "weight_map " + quote(name),
                    "says " + shard + ", which does not hold it",
                    StrictJson.DAMAGED);
              }
            });
    for (TensorView tensor : tensors.values()) {
      if (!shards.shardOf().containsKey(tensor.name())) {
        throw new ModelLoadException(
            index,
            "weight_map",
            "lacks %s, which %s holds".formatted(quote(tensor.name()), tensor.file().getFileName()),
            StrictJson.DAMAGED);
      }
    }
  }

  /** The model directory. */
  public Path directory() {
    return directory;
  }

  /** Names of all tensors. */
  public Set<String> names() {
    return tensors.keySet();
  }

  /** The tensor of this name, if there is one. */
  public Optional<TensorView> find(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  /**
   * The tensor of this name, which must have this shape and a type Weir computes with.
   *
   * @throws ModelLoadException naming file, tensor, what was expected and what was found
   */
  public TensorView require(String name, long... shape) {
    TensorView tensor = tensors.get(name);
    if (tensor == null) {
      throw new ModelLoadException(
          directory, "tensor " + quote(name), "is missing", MISMATCH + ", or a file is incomplete");
    }
    List<Long> expected = LongStream.of(shape).boxed().toList();
    if (!tensor.shape().equals(expected)) {
      throw new ModelLoadException(
          tensor.file(),
          "tensor " + quote(name),
          "has shape " + tensor.shape() + ", expected " + expected,
          MISMATCH);
    }
    var _ = tensor.dtype(); // throws where Weir does not compute with the type
    return tensor;
  }

  /** Bytes of all tensors together. */
  public long bytes() {
    return files.stream().mapToLong(SafetensorsFile::bytes).sum();
  }

  /**
   * Takes a tensor's pages out of the process's resident set, once it has been packed elsewhere;
   * reading it again is allowed and costs page faults.
   */
  public void release(TensorView tensor) {
    PageAdvice.release(tensor.data());
  }

  /** Unmaps all files; every tensor of this checkpoint becomes invalid. */
  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
