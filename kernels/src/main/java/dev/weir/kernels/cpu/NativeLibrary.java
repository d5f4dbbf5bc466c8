package dev.weir.kernels.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/**
 * The shared library of CPU kernels: found beside the classes, or copied from the jar to a private
 * temporary folder, and loaded once.
 */
final class NativeLibrary {
  private static final String NAME = "libweir_cpu.so";

  /** Why the library cannot be used; empty once it is loaded. */
  private static final Optional<String> UNAVAILABLE = load();

  private NativeLibrary() {}

  static Optional<String> unavailable() {
    return UNAVAILABLE;
  }

  /**
   * Asked before the first downcall: a class that binds functions fails to initialise without them,
   * and would then hide the reason.
   *
   * @throws IllegalStateException if the library is not there
   */
  static void require() {
    if (UNAVAILABLE.isPresent()) {
      throw new IllegalStateException("no native CPU kernels: " + UNAVAILABLE.get());
    }
  }

  /**
   * A handle of an exported function. Every pointer is a {@code long}, so that a call allocates
   * nothing.
   *
   * @throws IllegalStateException if the library is not there or lacks the function
   */
  static MethodHandle function(String name, MemoryLayout result, MemoryLayout... parameters) {
    require();
    var address =
        SymbolLookup.loaderLookup()
            .find(name)
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        NAME + " has no function " + name + "; build the module again"));
    return Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(result, parameters));
  }

  /** The same for a function that returns a status: 0, or a negative code. */
  static MethodHandle operation(String name, MemoryLayout... parameters) {
    return function(name, ValueLayout.JAVA_INT, parameters);
  }

  private static Optional<String> load() {
    String os = System.getProperty("os.name", "");
    String platform = platform(os, System.getProperty("os.arch", ""));
    URL resource = NativeLibrary.class.getResource("native/" + platform + "/" + NAME);
    if (resource == null) {
      return Optional.of(
          "this build has no "
              + NAME
              + " for "
              + platform
              + " (it was built on a machine without a C compiler, or for another platform)");
    }
    try {
      if (resource.getProtocol().equals("file")) {
        load(Path.of(resource.toURI()));
      } else {
        loadCopy(resource);
      }
      return Optional.empty();
    } catch (IOException | URISyntaxException | UnsatisfiedLinkError e) {
      return Optional.of("cannot load " + NAME + " for " + platform + ": " + e.getMessage());
    }
  }

  private static String platform(String os, String architecture) {
    String machine =
        switch (architecture) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> architecture;
        };
    return os.toLowerCase(Locale.ROOT).replace(" ", "") + "-" + machine;
  }

  private static void load(Path library) {
    // Its error message says what the loader missed; SymbolLookup.libraryLookup would hide it.
    System.load(library.toString());
  }

  private static void loadCopy(URL resource) throws IOException {
    Path folder = Files.createTempDirectory("weir-cpu"); // its owner's alone
    Path copy = folder.resolve(NAME);
    try {
      try (InputStream in = resource.openStream()) {
        Files.copy(in, copy);
      }
      load(copy);
    } finally {
      // The mapping outlives the name, so that nothing is left behind however the process ends.
      Files.deleteIfExists(copy);
      Files.delete(folder);
    }
  }
}
