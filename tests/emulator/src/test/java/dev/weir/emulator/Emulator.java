package dev.weir.emulator;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.bindings.CudaDriverLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;

/**
 * The emulated driver of this process: its settings, its counters, and the mistakes it has found.
 */
public final class Emulator {
  /** Longest text that is asked for; a report names a few lines per mistake. */
  private static final long MAX_TEXT_BYTES = 256 * 1024;

  private final MethodHandle configure;
  private final MethodHandle reset;
  private final MethodHandle report;
  private final MethodHandle count;

  private Emulator() {
    configure = function("weir_emulator_configure", textCall(true));
    reset = function("weir_emulator_reset", FunctionDescriptor.ofVoid());
    report = function("weir_emulator_report", textCall(false));
    count =
        function(
            "weir_emulator_count",
            FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
  }

  /**
   * The emulator, as if nothing had happened yet. Where the driver of this process is another one,
   * or there is none, the calling test is skipped.
   *
   * @param settings as for {@link #configure}
   */
  public static Emulator start(String settings) {
    assumeTrue(
        CudaDriverLibrary.missing().isEmpty(),
        () -> "skipped: " + CudaDriverLibrary.missing().orElseThrow());
    assumeTrue(
        CudaDriverLibrary.lookup().find("weir_emulator_reset").isPresent(),
        "skipped: the driver is not the emulated one");
    Emulator emulator = new Emulator();
    emulator.reset();
    emulator.configure(settings);
    return emulator;
  }

  /**
   * Changes settings: {@code key=value}, separated by spaces. The emulator's README lists them.
   *
   * @throws IllegalArgumentException if one is wrong; then none has changed
   */
  public void configure(String settings) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(MAX_TEXT_BYTES);
      long length =
          (long) configure.invokeExact(arena.allocateFrom(settings), error, MAX_TEXT_BYTES);
      if (length > 0) {
        throw new IllegalArgumentException(error.getString(0));
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Forgets everything: contexts, memory, work, counters, mistakes; settings are the first ones.
   */
  public void reset() {
    try {
      reset.invokeExact();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** The mistakes found since the last reset; one may have several lines. Empty: none. */
  public List<String> mistakes() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(MAX_TEXT_BYTES);
      long length = (long) report.invokeExact(text, MAX_TEXT_BYTES);
      return length == 0 ? List.of() : text.getString(0).lines().toList();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * How many there are now of: {@code allocations, pinned, bytes, streams, events, graphs, modules,
   * contexts, pending}; or how many there were since the last reset of: {@code call} (all calls),
   * {@code kernel}, {@code copy} (as they execute), or calls of the function with that name.
   */
  public long count(String what) {
    try (Arena arena = Arena.ofConfined()) {
      return (long) count.invokeExact(arena.allocateFrom(what));
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static FunctionDescriptor textCall(boolean in) {
    return in
        ? FunctionDescriptor.of(
            ValueLayout.JAVA_LONG, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG)
        : FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
  }

  private static MethodHandle function(String name, FunctionDescriptor descriptor) {
    return Linker.nativeLinker()
        .downcallHandle(CudaDriverLibrary.lookup().findOrThrow(name), descriptor);
  }
}
