package dev.weir.engine.load;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * Tells one model from another without reading gigabytes: a hash over {@code config.json} and over
 * name, length, beginning and end of each file of weights. A safetensors file begins with names,
 * types and places of its tensors; two training steps of one model differ in the weights at its
 * end.
 */
public final class ModelIdentity {
  private static final int PIECE = 1 << 16;

  /** Hex digits that are kept: no two models that anybody has share so many. */
  private static final int DIGITS = 32;

  private ModelIdentity() {}

  /**
   * The identity of the model in a folder.
   *
   * @throws ModelLoadException if its files cannot be read
   */
  public static String of(Path directory) {
    try {
      MessageDigest hash = MessageDigest.getInstance("SHA-256");
      hash.update(Files.readAllBytes(directory.resolve("config.json")));
      List<Path> weights;
      try (Stream<Path> files = Files.list(directory)) {
        weights = files.filter(file -> file.toString().endsWith(".safetensors")).sorted().toList();
      }
      for (Path file : weights) {
        add(file, hash);
      }
      return HexFormat.of().formatHex(hash.digest()).substring(0, DIGITS);
    } catch (IOException e) {
      throw StrictJson.unreadable(directory, e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }

  private static void add(Path file, MessageDigest hash) throws IOException {
    hash.update(String.valueOf(file.getFileName()).getBytes(StandardCharsets.UTF_8));
    try (FileChannel channel = FileChannel.open(file)) {
      long length = channel.size();
      hash.update(ByteBuffer.allocate(Long.BYTES).putLong(length).flip());
      for (long from : new long[] {0, Math.max(0, length - PIECE)}) {
        ByteBuffer piece = ByteBuffer.allocate(PIECE);
        channel.read(piece, from);
        hash.update(piece.flip());
      }
    }
  }
}
