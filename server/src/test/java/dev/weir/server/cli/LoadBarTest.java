package dev.weir.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class LoadBarTest {
  private static final long SECOND = 1_000_000_000;

  private final StringWriter written = new StringWriter();
  private final PrintWriter err = new PrintWriter(written);
  private long now;

  @Test
  void loadingThatIsOverAtOnceShowsNothing() {
    LoadBar bar = new LoadBar(err, () -> true, "m", () -> now);
    for (int i = 0; i <= 10; i++) {
      bar.loaded(i, 10);
    }
    assertThat(written.toString()).isEmpty();
  }

  @Test
  void aTerminalSeesOneLineThatIsDrawnAgain() {
    LoadBar bar = new LoadBar(err, () -> true, "m", () -> now);
    bar.loaded(0, 1L << 30);
    now += SECOND;
    bar.loaded(512 << 20, 1L << 30);
    bar.loaded(513 << 20, 1L << 30); // still 50 %
    bar.loaded(1L << 30, 1L << 30);
    assertThat(written.toString().split("\r"))
        .satisfiesExactly(
            before -> assertThat(before).isEmpty(),
            half -> assertThat(half).contains("loading m", " 50 %", "512 MiB of 1.0 GiB"),
            whole -> assertThat(whole).contains("100 %").endsWith(System.lineSeparator()));
  }

  @Test
  void aLogSeesOnePlainLine() {
    LoadBar bar = new LoadBar(err, () -> false, "m", () -> now);
    bar.loaded(0, 100L << 20);
    now += SECOND;
    for (int i = 0; i <= 100; i++) {
      bar.loaded((long) i << 20, 100L << 20);
    }
    assertThat(written.toString().lines()).containsExactly("weir: loading m, 100 MiB");
  }
}
