package dev.weir.engine.text;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/**
 * Loads the native half of the Hugging Face tokenizers library, without the Java code that normally
 * does so.
 *
 * <p>That code ({@code ai.djl.huggingface.tokenizers.jni.LibUtils}, reached through {@code
 * HuggingFaceTokenizer}) probes for a CUDA runtime through JNA, downloads a CUDA build where it
 * finds one, keeps a cache in the home folder and reports its use to its vendor; its switches
 * ({@code RUST_FLAVOR}, {@code DJL_OFFLINE}) are read from the environment before the system
 * properties, so that a program cannot be sure of closing them. Weir never initialises those
 * classes: the bare JNI class {@code TokenizersLibrary} needs nothing but a loaded library.
 *
 * <p>What is written: one file of about 15 MB in {@code java.io.tmpdir}, removed as soon as it is
 * loaded (at exit on Windows, which cannot remove a loaded library). Nothing else, and no network.
 */
final class NativeLibrary {

  private NativeLibrary() {}

  /** Loads the library on the first call; later calls cost nothing. */
  static void load() {
    try {
      if (!Loaded.DONE) {
        throw new AssertionError("the holder's initialiser either loads or throws");
      }
    } catch (ExceptionInInitializerError failure) {
      if (failure.getCause() instanceof RuntimeException reason) {
        throw reason;
      }
      throw failure;
    }
  }

  /** The resource inside the library's jar for this operating system and processor. */
  static String resource(String osName, String osArch) {
    String os = osName.toLowerCase(Locale.ROOT);
    String arch =
        switch (osArch) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> throw unsupported(osName, osArch);
        };
    if (os.startsWith("linux")) {
      return "/native/lib/linux-" + arch + "/cpu/libtokenizers.so";
    }
    if (os.startsWith("mac") && arch.equals("aarch64")) {
      return "/native/lib/osx-aarch64/cpu/libtokenizers.dylib";
    }
    if (os.startsWith("windows") && arch.equals("x86_64")) {
      return "/native/lib/win-x86_64/cpu/tokenizers.dll";
    }
    throw unsupported(osName, osArch);
  }

  private static IllegalStateException unsupported(String osName, String osArch) {
    return new IllegalStateException(
        "the tokenizers library has no build for "
            + osName
            + " on "
            + osArch
            + "; it has Linux and macOS on aarch64, Linux and Windows on x86_64");
  }

  /** Loaded once per class loader: the initialiser either finishes or leaves the reason. */
  private static final class Loaded {

    static final boolean DONE = loadOnce();

    private static boolean loadOnce() {
      String resource = resource(System.getProperty("os.name"), System.getProperty("os.arch"));
      Path file = unpack(resource);
      try {
        System.load(file.toString());
      } catch (UnsatisfiedLinkError e) {
        throw new IllegalStateException(
            "cannot load the tokenizers library from "
                + file
                + " ("
                + e.getMessage()
                + "); if that folder forbids execution, choose another with -Djava.io.tmpdir",
            e);
      } finally {
        remove(file);
      }
      return true;
    }

    private static Path unpack(String resource) {
      try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
        if (in == null) {
          throw new IllegalStateException(
              "the jar ai.djl.huggingface:tokenizers on the class path has no " + resource);
        }
        Path file = Files.createTempFile("weir-tokenizers-", suffix(resource));
        Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        return file;
      } catch (IOException e) {
        throw new IllegalStateException(
            "cannot unpack the tokenizers library into "
                + System.getProperty("java.io.tmpdir")
                + " ("
                + e.getMessage()
                + "); choose a writable folder with -Djava.io.tmpdir",
            e);
      }
    }

    private static String suffix(String resource) {
      return resource.substring(resource.lastIndexOf('.'));
    }

    private static void remove(Path file) {
      try {
        Files.delete(file);
      } catch (IOException e) {
        file.toFile().deleteOnExit();
      }
    }
  }
}
