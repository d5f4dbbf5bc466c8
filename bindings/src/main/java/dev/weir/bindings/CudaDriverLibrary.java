package dev.weir.bindings;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * The CUDA driver library of this process, opened once, at first use.
 *
 * <p>It is {@value #DEFAULT_LIBRARY}, or what the system property {@value #DRIVER_PROPERTY} names:
 * a path, or a name that the dynamic linker looks for. Opening never throws. Where there is no
 * driver, the generated bindings still load and give their layouts and constants; {@link
 * #missing()} says why there is none, and only calling a function fails, with the same words.
 *
 * <p>Ask {@link #missing()} before the first call. A function whose lookup failed stays unusable,
 * and from the second call on the JVM wraps the reason in a {@link NoClassDefFoundError}.
 */
public final class CudaDriverLibrary {
  /** Names the driver library to use: a path, or a name for the dynamic linker. */
  public static final String DRIVER_PROPERTY = "weir.cuda.driver";

  /** The name under which NVIDIA's driver installs its library on Linux. */
  public static final String DEFAULT_LIBRARY = "libcuda.so.1";

  /** What every driver exports; a library without it is something else. */
  private static final String FIRST_FUNCTION = "cuInit";

  private static final String REMEDY =
      "install the NVIDIA driver (580 or newer, for CUDA 13), or name a driver library with -D"
          + DRIVER_PROPERTY
          + "=PATH";

  /** RTLD_NOW of glibc's and musl's dlfcn.h. */
  private static final int RESOLVE_NOW = 2;

  /** Longest reason taken from the dynamic linker, in bytes; it names two paths at most. */
  private static final long MAX_REASON_BYTES = 16 * 1024;

  private static final CudaDriverLibrary DRIVER =
      open(System.getProperty(DRIVER_PROPERTY, DEFAULT_LIBRARY));

  private final String name;
  private final SymbolLookup symbols;
  private final Optional<String> missing;

  private CudaDriverLibrary(String name, SymbolLookup symbols, Optional<String> missing) {
    this.name = name;
    this.symbols = symbols;
    this.missing = missing;
  }

  /**
   * The functions of this process's driver, as the generated bindings look them up.
   *
   * @return a lookup whose {@code find} throws {@link UnsatisfiedLinkError} with the reason of
   *     {@link #missing()} where there is no driver, or naming the function that the driver lacks
   */
  public static SymbolLookup lookup() {
    return DRIVER::find;
  }

  /**
   * Why there is no driver, and what to do about it: one line for a person to read.
   *
   * @return empty where there is a driver
   */
  public static Optional<String> missing() {
    return DRIVER.why();
  }

  /** Opens {@code name}; whatever goes wrong is told by {@link #why()}. */
  static CudaDriverLibrary open(String name) {
    if (name.isBlank()) {
      // To the dynamic linker an empty name is the running program itself.
      return absent(name, "-D" + DRIVER_PROPERTY + " is empty; " + REMEDY);
    }
    SymbolLookup symbols;
    try {
      symbols = SymbolLookup.libraryLookup(name, Arena.global());
    } catch (IllegalCallerException denied) {
      return absent(
          name, "this JVM denies native access; start it with --enable-native-access=ALL-UNNAMED");
    } catch (IllegalArgumentException unopened) {
      return absent(name, linkerError(name) + "; " + REMEDY);
    }
    if (symbols.find(FIRST_FUNCTION).isEmpty()) {
      return absent(
          name, name + " is another library: it has no " + FIRST_FUNCTION + "; " + REMEDY);
    }
    return new CudaDriverLibrary(name, symbols, Optional.empty());
  }

  Optional<String> why() {
    return missing;
  }

  Optional<MemorySegment> find(String function) {
    if (missing.isPresent()) {
      throw new UnsatisfiedLinkError(missing.get());
    }
    Optional<MemorySegment> address = symbols.find(function);
    if (address.isEmpty()) {
      throw new UnsatisfiedLinkError(
          "the CUDA driver " + name + " has no " + function + ", so it is too old: " + REMEDY);
    }
    return address;
  }

  private static CudaDriverLibrary absent(String name, String reason) {
    return new CudaDriverLibrary(
        name, function -> Optional.empty(), Optional.of("no CUDA driver: " + reason));
  }

  /**
   * What the dynamic linker says about a library that does not open; {@link SymbolLookup} does not
   * pass it on.
   */
  private static String linkerError(String name) {
    String unknown = name + " cannot be opened";
    Linker linker = Linker.nativeLinker();
    Optional<MemorySegment> dlopen = linker.defaultLookup().find("dlopen");
    Optional<MemorySegment> dlerror = linker.defaultLookup().find("dlerror");
    if (dlopen.isEmpty() || dlerror.isEmpty()) {
      return unknown;
    }
    AddressLayout text =
        ValueLayout.ADDRESS.withTargetLayout(
            MemoryLayout.sequenceLayout(MAX_REASON_BYTES, ValueLayout.JAVA_BYTE));
    try (Arena arena = Arena.ofConfined()) {
      var openLibrary =
          linker.downcallHandle(
              dlopen.get(),
              FunctionDescriptor.of(
                  ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
      var lastError = linker.downcallHandle(dlerror.get(), FunctionDescriptor.of(text));
      MemorySegment opened =
          (MemorySegment) openLibrary.invokeExact(arena.allocateFrom(name), RESOLVE_NOW);
      MemorySegment reason = (MemorySegment) lastError.invokeExact();
      boolean told = opened.equals(MemorySegment.NULL) && !reason.equals(MemorySegment.NULL);
      return told ? reason.getString(0) : unknown;
    } catch (Throwable unspoken) {
      return unknown;
    }
  }
}
