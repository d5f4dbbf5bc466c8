package dev.weir.server.cli;

import dev.weir.engine.model.LoadProgress;
import java.io.PrintWriter;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/**
 * Shows how far the weights are: a bar that redraws its line on a terminal, one line elsewhere.
 * Loading that is over at once shows nothing.
 */
final class LoadBar implements LoadProgress {
  private static final int WIDTH = 30;

  /** Below this a bar would only flicker. */
  private static final long PATIENCE_NANOS = 300_000_000;

  private static final int HUNDRED = 100;

  private final PrintWriter err;
  private final BooleanSupplier terminal;
  private final String model;
  private final LongSupplier nanoTime;
  private long startNanos;
  private boolean started;
  private int shownPercent = -1;

  LoadBar(PrintWriter err, BooleanSupplier terminal, String model, LongSupplier nanoTime) {
    this.err = err;
    this.terminal = terminal;
    this.model = model;
    this.nanoTime = nanoTime;
  }

  @Override
  public void loaded(long loaded, long total) {
    if (!started) {
      started = true;
      startNanos = nanoTime.getAsLong();
    }
    boolean shown = shownPercent >= 0;
    if (!shown && nanoTime.getAsLong() - startNanos < PATIENCE_NANOS) {
      return;
    }
    int percent = total == 0 ? HUNDRED : (int) (HUNDRED * loaded / total);
    if (percent == shownPercent) {
      return;
    }
    shownPercent = percent;
    if (terminal.getAsBoolean()) {
      err.print('\r' + bar(percent, loaded, total));
      if (loaded >= total) {
        err.println();
      }
      err.flush();
    } else if (!shown) {
      err.println("weir: loading %s, %s".formatted(model, MemorySize.format(total)));
    }
  }

  private String bar(int percent, long loaded, long total) {
    int filled = WIDTH * percent / HUNDRED;
    return "loading %s [%s%s] %3d %%  %s of %s "
        .formatted(
            model,
            "#".repeat(filled),
            ".".repeat(WIDTH - filled),
            percent,
            MemorySize.format(loaded),
            MemorySize.format(total));
  }
}
