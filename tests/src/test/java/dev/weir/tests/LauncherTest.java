package dev.weir.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The launcher on a made-up machine: JDKs that are only a release file and an empty compiler, and a
 * Maven that is a script. It is copied out of the checkout, so that nothing here is built or
 * removed.
 */
class LauncherTest {
  private static final Path LAUNCHER = Path.of("..", "weir").toAbsolutePath().normalize();

  /** The launcher and what it calls answer in well under a second. */
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path machine;
  private final Map<String, String> environment = new HashMap<>();
  private Path checkout;
  private Path tools;

  @BeforeEach
  void aMachineWithNothingOnIt() throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "skipped: the launcher needs bash");
    checkout = Files.createDirectories(machine.resolve("a checkout"));
    Files.copy(LAUNCHER, checkout.resolve("weir"));
    Files.createDirectories(machine.resolve("jdks"));
    tools = Files.createDirectories(machine.resolve("tools"));
    for (String tool :
        List.of(
            "bash",
            "awk",
            "cat",
            "cp",
            "dirname",
            "env",
            "find",
            "flock",
            "grep",
            "head",
            "mkdir",
            "mktemp",
            "mv",
            "readlink",
            "rm",
            "sed",
            "touch",
            "tr")) {
      Path found = Path.of("/usr/bin", tool);
      if (Files.exists(found)) {
        script(tools.resolve(tool), "exec " + found + " \"$@\"");
      }
    }
    environment.put("PATH", tools.toString());
    environment.put("HOME", machine.toString());
    environment.put("WEIR_JDK_FOLDERS", machine.resolve("jdks").toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"serve", "chat", "generate", "replay", "gpu-check", "build"})
  void withoutAJdkItSaysWhatToInstall(String command) throws Exception {
    Outcome outcome = weir(command);

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.err).singleElement().asString().contains("no JDK 25 or newer", "install");
    assertThat(outcome.out).isEmpty();
  }

  @Test
  void aJdkThatIsTooOldDoesNotCount() throws Exception {
    jdk("jdk-17", "17.0.15");
    environment.put("JAVA_HOME", machine.resolve("jdks/jdk-17").toString());

    assertThat(weir("jdk").status).isEqualTo(1);
  }

  @Test
  void aJdkIsFoundAmongOthersWhateverJavaHomeSays() throws Exception {
    jdk("jdk-17", "17.0.15");
    jdk("temurin-25", "25.0.1");
    environment.put("JAVA_HOME", machine.resolve("jdks/jdk-17").toString());

    assertThat(weir("jdk").out).containsExactly(machine.resolve("jdks/temurin-25").toString());
  }

  @Test
  void aJdkOfTheMacsShapeIsFound() throws Exception {
    jdk("zulu-26.jdk/Contents/Home", "26");

    assertThat(weir("jdk").out)
        .containsExactly(machine.resolve("jdks/zulu-26.jdk/Contents/Home").toString());
  }

  @Test
  void weirJavaHomeComesBeforeJavaHome() throws Exception {
    jdk("one", "25");
    jdk("two", "27-ea");
    environment.put("JAVA_HOME", machine.resolve("jdks/one").toString());
    environment.put("WEIR_JAVA_HOME", machine.resolve("jdks/two").toString());

    assertThat(weir("jdk").out).containsExactly(machine.resolve("jdks/two").toString());
  }

  @Test
  void withoutMavenItSaysWhatToInstall() throws Exception {
    jdk("jdk-25", "25");

    Outcome outcome = weir("build");

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.err.getLast()).contains("Maven (mvn) not found", "install");
  }

  @Test
  void withoutANetworkItSaysThatTheBuildNeedsOne() throws Exception {
    jdk("jdk-25", "25");
    maven("echo '[ERROR] Could not transfer artifact a:b:1: central: Unknown host'; exit 1");

    Outcome outcome = weir("build");

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.err.getLast()).contains("could not download", "network");
  }

  @Test
  void aBuildThatFailsShowsItsErrors() throws Exception {
    jdk("jdk-25", "25");
    maven("echo '[INFO] chatter'; echo '[ERROR] Broken.java:[1,2] no such thing'; exit 1");

    Outcome outcome = weir("build");

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.err).contains("[ERROR] Broken.java:[1,2] no such thing");
    assertThat(outcome.err).noneMatch(line -> line.contains("chatter"));
  }

  @Test
  void mavenGetsTheJdkAndTheArgumentsOfTheEnvironment() throws Exception {
    jdk("jdk-25", "25");
    maven("echo \"$JAVA_HOME|$*|${MAVEN_ARGS-none}\"");
    environment.put("MAVEN_ARGS", "-o --settings some.xml");

    assertThat(weir("test", "-Dtest=OneTest").out)
        .contains(
            machine.resolve("jdks/jdk-25")
                + "|-o --settings some.xml --fail-at-end verify -Dtest=OneTest|none");
  }

  @Test
  void testingEndsWithTheSumOfTheReportsAndMavensStatus() throws Exception {
    jdk("jdk-25", "25");
    maven(
        """
        mkdir -p engine/target/surefire-reports "server/target/surefire-reports"
        cat > engine/target/surefire-reports/TEST-a.xml <<'END'
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuite name="a" time="0.1" tests="10" errors="1" skipped="2" failures="1">
        END
        cat > server/target/surefire-reports/TEST-b.xml <<'END'
        <testsuite name="b" time="0.1" tests="5" errors="0" skipped="0" failures="0">
        END
        exit 7
        """);

    Outcome outcome = weir("test");

    assertThat(outcome.out.getLast()).isEqualTo("11 passed, 2 failed, 2 skipped");
    assertThat(outcome.status).isEqualTo(7);
  }

  @Test
  void reportsOfAnEarlierRunDoNotCount() throws Exception {
    jdk("jdk-25", "25");
    Path reports = Files.createDirectories(checkout.resolve("engine/target/surefire-reports"));
    Path old = reports.resolve("TEST-old.xml");
    Files.writeString(old, "<testsuite name=\"old\" tests=\"9\" errors=\"0\" failures=\"0\">\n");
    Files.setLastModifiedTime(old, FileTime.fromMillis(0));
    maven("exit 0");

    Outcome outcome = weir("test");

    assertThat(outcome.out.getLast()).isEqualTo("0 passed, 0 failed, 0 skipped");
    assertThat(outcome.status).isZero();
  }

  @Test
  void testingEndsWithTheSumEvenWithoutAJdk() throws Exception {
    Outcome outcome = weir("test");

    assertThat(outcome.out.getLast()).isEqualTo("0 passed, 0 failed, 0 skipped");
    assertThat(outcome.status).isEqualTo(1);
  }

  @Test
  void buildsOnceThenOnlyWhenASourceIsNewer() throws Exception {
    jdk("jdk-25", "25");
    Path source = Files.createDirectories(checkout.resolve("engine/src/main")).resolve("A.java");
    Files.writeString(source, "");
    maven(
        """
        echo built >> builds
        mkdir -p server/target/lib
        echo jar > server/target/lib/a.jar
        echo jar > server/target/weir-server.jar
        """);

    weir("build");
    weir("build");
    assertThat(checkout.resolve("builds")).hasContent("built");

    Files.setLastModifiedTime(source, FileTime.fromMillis(System.currentTimeMillis() + 60_000));
    weir("build");
    assertThat(checkout.resolve("builds")).hasContent("built\nbuilt");
    assertThat(checkout.resolve("target/weir/lib/a.jar")).exists();
    assertThat(checkout.resolve("target/weir/lib/weir-server.jar")).exists();
  }

  @Test
  void anUnknownCommandIsNamed() throws Exception {
    Outcome outcome = weir("brew");

    assertThat(outcome.status).isEqualTo(1);
    assertThat(outcome.err).singleElement().asString().contains("'brew'", "help");
  }

  private void jdk(String folder, String version) throws IOException {
    Path home = machine.resolve("jdks").resolve(folder);
    Files.createDirectories(home);
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    script(home.resolve("bin/javac"), "exit 1");
    script(home.resolve("bin/java"), "exit 1");
  }

  private void maven(String script) throws IOException {
    script(tools.resolve("mvn"), script);
  }

  private static void script(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, "#!/bin/bash\n" + text + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private record Outcome(int status, List<String> out, List<String> err) {}

  private Outcome weir(String... arguments) throws IOException, InterruptedException {
    Path out = machine.resolve("out");
    Path err = machine.resolve("err");
    ProcessBuilder builder = new ProcessBuilder("/bin/bash", checkout.resolve("weir").toString());
    builder.command().addAll(List.of(arguments));
    builder.environment().clear();
    builder.environment().putAll(environment);
    Process process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    process.getOutputStream().close();
    try {
      assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).as("it ends").isTrue();
    } finally {
      process.destroyForcibly();
    }
    return new Outcome(process.exitValue(), lines(out), lines(err));
  }

  private static List<String> lines(Path file) throws IOException {
    return Files.readString(file, StandardCharsets.UTF_8).lines().toList();
  }
}
