package dev.weir.engine.load;

import static dev.weir.engine.load.ModelLoadException.quote;

import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The header of a safetensors file, parsed and checked against the file's length.
 *
 * <p>Format: 8 bytes little-endian header length n, n bytes of JSON (name → dtype, shape, offsets
 * [begin, end) relative to the end of the header), then the data. The tensors tile the data: no
 * gap, no overlap, nothing left over (format description in the safetensors repository's README).
 *
 * @param entries the tensors in the order of their data
 * @param dataStart where the data begins in the file
 */
record SafetensorsHeader(List<Entry> entries, long dataStart) {

  /** The format's own limit on n. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  /** The largest public checkpoints hold about 10^5 tensors over all their shards. */
  static final int MAX_TENSORS = 1 << 18;

  static final int MAX_RANK = 16; // weights have 1 to 4

  private static final int LENGTH_BYTES = Long.BYTES;
  private static final String METADATA = "__metadata__";
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /**
   * One tensor: its bytes are [begin, end) of the data.
   *
   * @param begin first byte, relative to the data's start
   * @param end byte after the last
   */
  record Entry(String name, StoredType type, List<Long> shape, long begin, long end) {}

  static SafetensorsHeader parse(Path file, MemorySegment bytes) {
    if (bytes.byteSize() < LENGTH_BYTES) {
      throw damaged(
          file, "header", "the file has " + bytes.byteSize() + " bytes, too few for a header");
    }
    long length = bytes.get(LENGTH, 0);
    if (length < 0 || length > MAX_HEADER_BYTES) {
      throw damaged(
          file,
          "header",
          "claims %s bytes, over the format's limit of %d"
              .formatted(Long.toUnsignedString(length), MAX_HEADER_BYTES));
    }
    if (length > bytes.byteSize() - LENGTH_BYTES) {
      throw damaged(
          file,
          "header",
          "claims %d bytes, but the file has %d".formatted(length, bytes.byteSize()));
    }
    long dataStart = LENGTH_BYTES + length;
    ByteBuffer json = bytes.asSlice(LENGTH_BYTES, length).asByteBuffer();
    List<Entry> entries;
    try (JsonParser parser = StrictJson.parser(new BufferStream(json))) {
      entries = new Reader(file, parser).root();
    } catch (JacksonException e) {
      throw StrictJson.broken(file, "header", e);
    }
    entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    checkTiling(file, entries, bytes.byteSize() - dataStart);
    return new SafetensorsHeader(List.copyOf(entries), dataStart);
  }

  private static void checkTiling(Path file, List<Entry> entries, long dataBytes) {
    long covered = 0;
    for (Entry entry : entries) {
      if (entry.begin != covered) {
        String what = entry.begin < covered ? "overlaps another tensor" : "leaves a gap before it";
        throw damaged(
            file,
            tensor(entry.name),
            "begins at byte %d where %d was expected: it %s".formatted(entry.begin, covered, what));
      }
      covered = entry.end;
    }
    if (covered != dataBytes) {
      throw damaged(
          file,
          "data",
          "has %d bytes, but the header's tensors take %d".formatted(dataBytes, covered));
    }
  }

  private static String tensor(String name) {
    return "tensor " + quote(name);
  }

  private static ModelLoadException damaged(Path file, String place, String problem) {
    return new ModelLoadException(
        file, place, problem, "the file is damaged or was cut short; fetch it again");
  }

  /** Walks the header's JSON once, building nothing but the entries. */
  private static final class Reader {

    private final Path file;
    private final JsonParser parser;

    Reader(Path file, JsonParser parser) {
      this.file = file;
      this.parser = parser;
    }

    List<Entry> root() {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "header", "a JSON object");
      List<Entry> entries = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        if (name.equals(METADATA)) {
          metadata();
        } else {
          if (entries.size() == MAX_TENSORS) {
            throw damaged(file, "header", "names more than " + MAX_TENSORS + " tensors");
          }
          entries.add(entry(name));
        }
      }
      if (parser.nextToken() != null) {
        throw damaged(file, "header", "something follows the JSON object");
      }
      return entries;
    }

    private void metadata() {
      expect(parser.currentToken(), JsonToken.START_OBJECT, METADATA, "an object of strings");
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        expect(parser.nextToken(), JsonToken.VALUE_STRING, METADATA, "an object of strings");
      }
    }

    private Entry entry(String name) {
      String place = tensor(name);
      expect(parser.currentToken(), JsonToken.START_OBJECT, place, "an object");
      @Nullable StoredType type = null;
      @Nullable List<Long> shape = null;
      @Nullable List<Long> offsets = null;
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String key = parser.currentName();
        parser.nextToken();
        switch (key) {
          case "dtype" -> type = type(place);
          case "shape" -> shape = sizes(place + " shape", MAX_RANK);
          case "data_offsets" -> offsets = sizes(place + " data_offsets", 2);
          default -> throw damaged(file, place, "has an unknown property " + quote(key));
        }
      }
      if (type == null || shape == null || offsets == null || offsets.size() != 2) {
        throw damaged(file, place, "needs a dtype, a shape and two data_offsets");
      }
      return checked(place, new Entry(name, type, shape, offsets.get(0), offsets.get(1)));
    }

    private StoredType type(String place) {
      expect(parser.currentToken(), JsonToken.VALUE_STRING, place + " dtype", "a string");
      String name = parser.getString();
      Optional<StoredType> type = StoredType.named(name);
      return type.orElseThrow(() -> damaged(file, place, "has unknown dtype " + quote(name)));
    }

    private List<Long> sizes(String place, int most) {
      expect(parser.currentToken(), JsonToken.START_ARRAY, place, "an array of sizes");
      List<Long> sizes = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, place, "an array of sizes");
        if (sizes.size() == most) {
          throw damaged(file, place, "has more than " + most + " numbers");
        }
        boolean fits =
            switch (parser.getNumberType()) {
              case INT, LONG -> parser.getLongValue() >= 0;
              default -> false;
            };
        if (!fits) {
          throw damaged(file, place, "has a number that is negative or beyond 64 bits");
        }
        sizes.add(parser.getLongValue());
      }
      return List.copyOf(sizes);
    }

    private Entry checked(String place, Entry entry) {
      long bits;
      try {
        bits = entry.type.bits();
        for (long dimension : entry.shape) {
          bits = Math.multiplyExact(bits, dimension);
        }
      } catch (ArithmeticException e) {
        throw damaged(file, place, "has a size beyond 64 bits: shape " + entry.shape);
      }
      if (entry.begin > entry.end
          || bits % Byte.SIZE != 0
          || bits / Byte.SIZE != entry.end - entry.begin) {
        throw damaged(
            file,
            place,
            "has shape %s of %s, which does not take the bytes [%d, %d) it claims"
                .formatted(entry.shape, entry.type, entry.begin, entry.end));
      }
      return entry;
    }

    private void expect(
        @Nullable JsonToken found, JsonToken wanted, String place, String description) {
      if (found != wanted) {
        throw damaged(file, place, "is not " + description);
      }
    }
  }

  /** Reads a buffer as a stream, so that a header is never held as text. */
  private static final class BufferStream extends InputStream {

    private final ByteBuffer buffer;

    BufferStream(ByteBuffer buffer) {
      this.buffer = buffer;
    }

    @Override
    public int read() {
      return buffer.hasRemaining() ? Byte.toUnsignedInt(buffer.get()) : -1;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
      if (length == 0) {
        return 0;
      }
      int count = Math.min(length, buffer.remaining());
      if (count == 0) {
        return -1;
      }
      buffer.get(into, offset, count);
      return count;
    }
  }
}
