package dev.weir.tests.gpucheck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.bindings.CudaDriverLibrary;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What proves the GPU is itself tried out where there is none. */
class GpuCheckTest {
  /** Far longer than it takes: a hang fails the test instead of stopping the build. */
  private static final int PATIENCE_SECONDS = 600;

  @TempDir private Path folder;

  @Test
  void onTheCpuEverySectionButTheKernelsTestsRunsAndEndsWithOk() throws Exception {
    Path out = folder.resolve("results");

    Outcome outcome =
        check(
            "--smoke",
            "--device",
            "cpu",
            "--seconds",
            "3000",
            "--sections",
            "model,table,engine,storm",
            "--out",
            out.toString(),
            "--work",
            folder.toString());

    assertThat(outcome.lines).last().isEqualTo("OK");
    assertThat(outcome.status).isZero();
    List<String> rows = Files.readAllLines(out.resolve("rows.tsv"));
    for (String section : List.of("table", "engine", "storm")) {
      assertThat(rows).anyMatch(row -> row.startsWith("row\t" + section + "\t"));
    }
    assertThat(rows).filteredOn(row -> row.startsWith("check\tmodel\t")).hasSizeGreaterThan(8);
    assertThat(out.resolve("gpu-cpu.md")).content().contains("## Checks", "## table", "## storm");
    try (var left = Files.list(folder)) {
      assertThat(left).as("models of random weights are removed").containsExactly(out);
    }
  }

  @Test
  void onTheEmulatedDriverEverySectionButTheKernelsTestsRunsAndEndsWithOk() throws Exception {
    Path driver = Path.of("emulator", "target", "emulator", "libcuda.so.1").toAbsolutePath();
    assumeTrue(Files.exists(driver), "skipped: the emulated driver was not built");
    Path out = folder.resolve("results");
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Xmx1g",
            "-D" + CudaDriverLibrary.DRIVER_PROPERTY + "=" + driver,
            "-cp",
            System.getProperty("java.class.path"),
            GpuCheck.class.getName(),
            "--smoke",
            "--sections",
            "probes,model,table,engine,storm",
            "--seconds",
            "3000",
            "--out",
            out.toString());
    builder.environment().put("WEIR_EMULATOR", "kernels=fast");
    Path log = folder.resolve("log");
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    process.getOutputStream().close();
    try {
      assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
    } finally {
      process.destroyForcibly();
    }

    assertThat(log).content().endsWith("OK\n").contains("alone and without CUDA graphs\tpassed");
    assertThat(process.exitValue()).isZero();
    assertThat(out.resolve("gpu-emulated-h100.md")).content().contains("decode attention");
    assertThat(out.resolve("probes.tsv")).content().contains("probe_mma_bf16\t");
  }

  @Test
  void kernelsTestsEndWithTheirTimeWhichIsNoFailure() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Report report = new Report(new PrintStream(out, true, StandardCharsets.UTF_8));
    Options options = Options.parse(List.of("--device", "reference"));
    List<String> classes = List.of("StepChecksTest");

    try {
      OpTests.run("ops", classes, options, Budget.of(Duration.ZERO), report);
      assertThat(out.toString(StandardCharsets.UTF_8))
          .contains("StepChecksTest", "were left out: no time was left")
          .doesNotContain("failed");

      OpTests.run("ops", classes, options, Budget.of(Duration.ofMinutes(5)), report);
      assertThat(out.toString(StandardCharsets.UTF_8))
          .contains("check\tops\tStepChecksTest\tpassed");
    } finally {
      System.clearProperty(OpTests.DEVICE_PROPERTY);
      System.clearProperty(OpTests.SEED_PROPERTY);
    }
    assertThat(report.ok()).isTrue();
  }

  @Test
  void anOptionThatIsNotThereIsNamed() {
    Outcome outcome = check("--smokes");

    assertThat(outcome.status).isEqualTo(2);
    assertThat(outcome.lines).first().asString().contains("'--smokes'");
    assertThat(outcome.lines).anyMatch(line -> line.contains("--seed N"));
  }

  @Test
  void oneFailedCheckFailsAll() {
    Report report = new Report(new PrintStream(new ByteArrayOutputStream()));
    report.passed("ops", "a product", "");
    assertThat(report.ok()).isTrue();
    report.failed("ops", "a sum", "is wrong");
    assertThat(report.ok()).isFalse();
  }

  @Test
  void nothingCheckedIsNoSuccess() {
    Report report = new Report(new PrintStream(new ByteArrayOutputStream()));
    report.row(Row.plain("table", "a product", 1, "TB/s"));
    assertThat(report.ok()).isFalse();
  }

  @Test
  void aRowSurvivesBeingPrintedAndRead() {
    Row row = new Row("table", "a product", 12.5, 3, "TB/s", 0.75, Double.NaN, Row.Verdict.MISSED);

    assertThat(Row.parse(row.line().split("\t"))).isEqualTo(row);
    assertThat(row.held(0.9, 0.85).verdict()).isEqualTo(Row.Verdict.MET);
    assertThat(row.held(Double.NaN, 0.85).verdict()).isEqualTo(Row.Verdict.NONE);
  }

  private record Outcome(int status, List<String> lines) {}

  private static Outcome check(String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int status = GpuCheck.run(new PrintStream(out, true, StandardCharsets.UTF_8), arguments);
    return new Outcome(status, out.toString(StandardCharsets.UTF_8).lines().toList());
  }
}
