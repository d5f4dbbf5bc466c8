package dev.weir.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * What a compiled family says of its kernels, read from the file itself: a cubin is plain ELF with
 * a section {@code .nv.info.<kernel>} per kernel, PTX is text. Launches are laid out against this,
 * so that a kernel and the Java side that calls it cannot drift apart.
 */
final class KernelImage {
  /**
   * One kernel.
   *
   * @param parameters how many parameters it has
   * @param parameterBytes bytes of all of them
   * @param threads threads of a block
   * @param sharedBytes dynamic shared memory of a block: the global {@code <kernel>_shared}
   */
  record Kernel(int parameters, int parameterBytes, int threads, int sharedBytes) {}

  private static final String SHARED_SUFFIX = "_shared";
  private static final String INFO_PREFIX = ".nv.info.";
  private static final byte[] ELF = {0x7F, 'E', 'L', 'F'};

  private static final Pattern PTX_ENTRY =
      Pattern.compile(
          "\\.entry (\\w+)\\(\\s*\\.param \\.align 8 \\.b8 \\w+\\[(\\d+)]\\s*\\)"
              + "\\s*\\.maxntid (\\d+)");
  private static final Pattern PTX_SHARED =
      Pattern.compile("\\.global \\.align 4 \\.u32 (\\w+)" + SHARED_SUFFIX + "(?: = (\\d+))?;");

  private KernelImage() {}

  /**
   * The kernels of a cubin or of PTX text, by name.
   *
   * @throws IllegalArgumentException if the bytes are neither
   */
  static Map<String, Kernel> kernels(byte[] image) {
    return isElf(image) ? new Elf(image).kernels() : ptxKernels(image);
  }

  private static boolean isElf(byte[] image) {
    return image.length > Elf.HEADER_BYTES
        && ByteBuffer.wrap(image, 0, ELF.length).equals(ByteBuffer.wrap(ELF));
  }

  private static Map<String, Kernel> ptxKernels(byte[] image) {
    String text = new String(image, StandardCharsets.UTF_8);
    Map<String, Integer> shared = new TreeMap<>();
    PTX_SHARED
        .matcher(text)
        .results()
        .forEach(m -> shared.put(m.group(1), m.group(2) == null ? 0 : Integer.valueOf(m.group(2))));
    Map<String, Kernel> kernels = new TreeMap<>();
    for (MatchResult entry : PTX_ENTRY.matcher(text).results().toList()) {
      String name = entry.group(1);
      int bytes = Integer.parseInt(entry.group(2));
      int threads = Integer.parseInt(entry.group(3));
      kernels.put(name, new Kernel(1, bytes, threads, shared(shared, name)));
    }
    if (kernels.isEmpty()) {
      throw new IllegalArgumentException("neither a cubin nor PTX with kernels of Weir");
    }
    return kernels;
  }

  private static int shared(Map<String, Integer> shared, String kernel) {
    Integer bytes = shared.get(kernel);
    if (bytes == null) {
      throw new IllegalArgumentException(
          "kernel " + kernel + " has no global " + kernel + SHARED_SUFFIX);
    }
    return bytes;
  }

  /** Little-endian 64-bit ELF, as far as it is needed. */
  private static final class Elf {
    static final int HEADER_BYTES = 64;
    private static final int SECTION_TABLE = 40; // e_shoff
    private static final int SECTION_COUNT = 60; // e_shnum
    private static final int SECTION_NAMES = 62; // e_shstrndx
    private static final int SECTION_BYTES = 64;
    private static final int SYMBOL_BYTES = 24;
    private static final int SYMBOL_TABLE = 2; // SHT_SYMTAB
    private static final int WITHOUT_BYTES = 8; // SHT_NOBITS

    // An attribute is a format, a code, and 16 bits: its value, or the length of what follows.
    private static final int WITH_LENGTH = 0x04; // EIFMT_SVAL
    private static final int MAX_THREADS = 0x05; // EIATTR_MAX_THREADS: x, y, z
    private static final int PARAMETER = 0x17; // EIATTR_KPARAM_INFO
    private static final int PARAMETER_SIZE_WORD = 8; // of that; its size are the bits from 18 on
    private static final int PARAMETER_SIZE_SHIFT = 18;

    private final ByteBuffer bytes;

    Elf(byte[] image) {
      bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
    }

    Map<String, Kernel> kernels() {
      try {
        Map<String, Integer> shared = shared();
        Map<String, Kernel> kernels = new TreeMap<>();
        for (int s = 0; s < sections(); s++) {
          String section = sectionName(s);
          if (section.startsWith(INFO_PREFIX)) {
            String name = section.substring(INFO_PREFIX.length());
            kernels.put(name, kernel(s, KernelImage.shared(shared, name)));
          }
        }
        return kernels;
      } catch (IndexOutOfBoundsException e) {
        throw new IllegalArgumentException("a cubin that is cut short or damaged", e);
      }
    }

    private Kernel kernel(int section, int sharedBytes) {
      int at = offset(section);
      int end = at + size(section);
      int parameters = 0;
      int parameterBytes = 0;
      int threads = 0;
      while (at < end) {
        int format = bytes.get(at);
        int code = bytes.get(at + 1);
        int length = format == WITH_LENGTH ? Short.toUnsignedInt(bytes.getShort(at + 2)) : 0;
        at += Integer.BYTES;
        if (code == PARAMETER) {
          parameters++;
          parameterBytes += bytes.getInt(at + PARAMETER_SIZE_WORD) >>> PARAMETER_SIZE_SHIFT;
        } else if (code == MAX_THREADS) {
          threads = bytes.getInt(at);
        }
        at += length;
      }
      return new Kernel(parameters, parameterBytes, threads, sharedBytes);
    }

    /** The values of all globals that say how much shared memory a kernel takes. */
    private Map<String, Integer> shared() {
      Map<String, Integer> values = new TreeMap<>();
      for (int s = 0; s < sections(); s++) {
        if (bytes.getInt(header(s) + 4) != SYMBOL_TABLE) {
          continue;
        }
        int names = offset(bytes.getInt(header(s) + 40));
        for (int at = offset(s); at < offset(s) + size(s); at += SYMBOL_BYTES) {
          String name = string(names + bytes.getInt(at));
          int section = Short.toUnsignedInt(bytes.getShort(at + 6));
          if (section > 0 && section < sections() && name.endsWith(SHARED_SUFFIX)) {
            boolean zero = bytes.getInt(header(section) + 4) == WITHOUT_BYTES;
            int address = offset(section) + (int) bytes.getLong(at + 8);
            values.put(
                name.substring(0, name.length() - SHARED_SUFFIX.length()),
                zero ? 0 : bytes.getInt(address));
          }
        }
      }
      return values;
    }

    private int sections() {
      return Short.toUnsignedInt(bytes.getShort(SECTION_COUNT));
    }

    private int header(int section) {
      return Math.toIntExact(bytes.getLong(SECTION_TABLE)) + section * SECTION_BYTES;
    }

    private int offset(int section) {
      return (int) bytes.getLong(header(section) + 24);
    }

    private int size(int section) {
      return (int) bytes.getLong(header(section) + 32);
    }

    private String sectionName(int section) {
      int names = Short.toUnsignedInt(bytes.getShort(SECTION_NAMES));
      return string(offset(names) + bytes.getInt(header(section)));
    }

    private String string(int at) {
      int end = at;
      while (bytes.get(end) != 0) {
        end++;
      }
      return new String(bytes.array(), at, end - at, StandardCharsets.US_ASCII);
    }
  }
}
