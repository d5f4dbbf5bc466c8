package dev.weir.engine.load;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One safetensors file, mapped read-only; its header was checked whole when it was opened.
 *
 * <p>Memory: nothing is copied. Pages come in as tensors are read and belong to the page cache, so
 * the kernel can take them back at any time without writing; they still count in the process's
 * resident set while mapped, which {@link #release} ends for one tensor. Thread-safe.
 *
 * <p>The file must not be cut short by another process while it is open: reading past the new end
 * is an {@link InternalError} in Java and ends the process in native code. Replace a model by
 * renaming a new file over it, as download tools do.
 */
public final class SafetensorsFile implements AutoCloseable {

  private final Path path;
  private final Arena arena;
  private final Map<String, TensorView> tensors;

  private SafetensorsFile(Path path, Arena arena, Map<String, TensorView> tensors) {
    this.path = path;
    this.arena = arena;
    this.tensors = tensors;
  }

  /**
   * Maps a file and checks its header.
   *
   * @throws ModelLoadException if it is absent, unreadable, or breaks the format anywhere
   */
  public static SafetensorsFile open(Path path) {
    if (!Files.isRegularFile(path)) {
      throw new ModelLoadException(
          path, "file", "there is no such file", "check the model directory");
    }
    // Shared, not confined: weights are packed by several threads.
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return new SafetensorsFile(path, arena, views(path, bytes));
    } catch (IOException e) {
      arena.close();
      throw StrictJson.unreadable(path, e);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  private static Map<String, TensorView> views(Path path, MemorySegment bytes) {
    SafetensorsHeader header = SafetensorsHeader.parse(path, bytes);
    Map<String, TensorView> tensors = LinkedHashMap.newLinkedHashMap(header.entries().size());
    for (SafetensorsHeader.Entry entry : header.entries()) {
      MemorySegment data =
          bytes.asSlice(header.dataStart() + entry.begin(), entry.end() - entry.begin());
      tensors.put(
          entry.name(), new TensorView(path, entry.name(), entry.type(), entry.shape(), data));
    }
    return Collections.unmodifiableMap(tensors);
  }

  /** The file. */
  public Path path() {
    return path;
  }

  /** Names of its tensors, in the order of their data. */
  public Set<String> names() {
    return tensors.keySet();
  }

  /** The tensor of this name, if the file holds it. */
  public Optional<TensorView> find(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  /** Bytes of all its tensors. */
  public long bytes() {
    return tensors.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
  }

  /**
   * Takes a tensor's pages out of the resident set after it has been packed elsewhere; reading it
   * again is allowed and fetches them anew.
   */
  public void release(TensorView tensor) {
    PageAdvice.release(tensor.data());
  }

  /** Unmaps the file; every view of it becomes invalid. */
  @Override
  public void close() {
    arena.close();
  }
}
