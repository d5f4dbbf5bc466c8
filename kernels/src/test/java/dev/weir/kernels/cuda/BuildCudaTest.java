package dev.weir.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** build-cuda.sh, with a compiler that only pretends. */
class BuildCudaTest {
  private static final Path SCRIPT = Path.of("build-cuda.sh").toAbsolutePath();

  private static final String CLEAN =
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";

  private static final String REPORT =
      """
      ptxas info    : Compiling entry function 'add' for 'sm_80'
      ptxas info    : Function properties for add
      SPILLS
      ptxas info    : Used 40 registers, used 1 barriers, 512 bytes smem
      """;

  /** What a run printed, and how it ended. */
  private record Run(int status, String output) {}

  @TempDir Path folder;

  @BeforeEach
  void sources_are_there() throws IOException {
    assumeTrue(Files.isExecutable(SCRIPT), "skipped: the tests run outside of their module");
    assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "skipped: no bash");
    Files.createDirectories(folder.resolve("src"));
    for (String name : List.of("add.cu", "mul.cu", "vocabulary.h")) {
      Files.writeString(folder.resolve("src").resolve(name), name);
    }
    compiler("13.0", REPORT.replace("SPILLS", CLEAN), 0);
  }

  /** Writes an nvcc that notes what it compiles, and reports what it is told to. */
  private void compiler(String release, String report, int status) throws IOException {
    Path nvcc = folder.resolve("cuda/bin/nvcc");
    Files.createDirectories(nvcc.getParent());
    Files.writeString(folder.resolve("report"), report);
    Files.writeString(
        nvcc,
        """
        #!/bin/bash
        if [[ $1 == --version ]]; then
          echo "Cuda compilation tools, release RELEASE, V1"
          exit
        fi
        while [[ $# -gt 1 ]]; do
          if [[ $1 == -o ]]; then output="$2"; fi
          shift
        done
        echo "$(basename "$output" .new)" >>FOLDER/compiled
        echo code >"$output"
        cat FOLDER/report >&2
        exit STATUS
        """
            .replace("RELEASE", release)
            .replace("FOLDER", folder.toString())
            .replace("STATUS", Integer.toString(status)));
    assertThat(nvcc.toFile().setExecutable(true)).isTrue();
  }

  private Run build() throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            "bash",
            SCRIPT.toString(),
            folder.resolve("src").toString(),
            folder.resolve("obj").toString(),
            folder.resolve("out").toString());
    builder.environment().put("CUDA_HOME", folder.resolve("cuda").toString());
    builder.environment().remove("WEIR_CUDA_ARCHITECTURES");
    Process process = builder.redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    return new Run(process.waitFor(), output);
  }

  private List<String> compiled() throws IOException {
    Path list = folder.resolve("compiled");
    List<String> names = Files.exists(list) ? Files.readAllLines(list) : List.of();
    Files.deleteIfExists(list);
    return names;
  }

  private List<String> outputs() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("out"))) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  private void touch(String name) throws IOException {
    Files.setLastModifiedTime(
        folder.resolve("src").resolve(name), FileTime.from(Instant.now().plusSeconds(5)));
  }

  @Test
  void every_family_is_built_for_every_architecture_and_as_ptx() throws Exception {
    Run run = build();
    assertThat(run.status()).as(run.output()).isZero();
    assertThat(outputs())
        .contains("add.sm_80.cubin", "add.sm_89.cubin", "add.sm_90a.cubin", "add.sm_100a.cubin")
        .contains("add.sm_120.cubin", "add.compute_80.ptx", "mul.sm_90a.cubin", "families.txt");
    assertThat(folder.resolve("out/families.txt")).content().isEqualTo("add\nmul\n");
    assertThat(folder.resolve("out/resources.sm_89.txt"))
        .content()
        .contains("add add 40 512 0 0 0");
    assertThat(run.output()).contains("sm_120", "40", "512");
  }

  @Test
  void only_what_is_older_than_its_source_or_a_header_is_compiled() throws Exception {
    build();
    assertThat(compiled()).hasSize(12);
    build();
    assertThat(compiled()).isEmpty();
    touch("mul.cu");
    build();
    assertThat(compiled()).hasSize(6).allMatch(name -> name.startsWith("mul."));
    touch("vocabulary.h");
    build();
    assertThat(compiled()).hasSize(12);
    Files.delete(folder.resolve("src/mul.cu"));
    build();
    assertThat(outputs()).noneMatch(name -> name.startsWith("mul."));
  }

  @Test
  void spills_local_memory_and_serialised_code_fail_the_build() throws Exception {
    for (String complaint :
        List.of(
            "    16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
            "    0 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads",
            CLEAN + "\nptxas warning : Registers are spilled to local memory in function 'add'",
            CLEAN + "\nptxas warning : Local memory used for function 'add', size of stack 8",
            CLEAN + "\nptxas info    : (C7510) Potential Performance Loss: wgmma serialised")) {
      compiler("13.0", REPORT.replace("SPILLS", complaint), 0);
      Run run = build();
      assertThat(run.status()).as(complaint).isNotZero();
      assertThat(run.output())
          .contains("is refused")
          .contains(complaint.lines().toList().getLast());
    }
  }

  @Test
  void a_kernel_that_does_not_compile_fails_the_build_with_the_compilers_words() throws Exception {
    compiler("13.0", "add.cu(3): error: expected a ;", 1);
    Run run = build();
    assertThat(run.status()).isNotZero();
    assertThat(run.output()).contains("expected a ;");
  }

  @Test
  void without_a_recent_nvcc_one_line_says_what_is_left_out() throws Exception {
    build();
    compiler("12.4", "", 0);
    Run run = build();
    assertThat(run.status()).isZero();
    assertThat(run.output().strip().lines()).hasSize(1);
    assertThat(run.output()).contains("CUDA kernels are left out", "is of CUDA 12", "13");
    assertThat(outputs()).as("what was built before would be stale").isEmpty();
  }
}
