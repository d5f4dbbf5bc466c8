package dev.weir.engine.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.run.JournalException;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is made of a journal's file that is cut off, or wrong somewhere. */
class JournalFileTest {
  private static final int REQUESTS = 5;

  /** Places at which a file is cut. */
  private static final int CUTS = 200;

  @TempDir static Path folder;
  private static byte[] bytes;
  private static JournalFile whole;

  @BeforeAll
  static void writeARunDown() throws InterruptedException, IOException {
    Path file = folder.resolve("run.journal");
    EngineOptions options =
        EngineOptions.of(TinyModel.write(folder.resolve("model"), DType.F32, 1))
            .withDevice(new DeviceChoice.Reference())
            .withSlots(2)
            .withJournal(file);
    try (Engine engine = Engine.open(options)) {
      List<Generation> all = new ArrayList<>();
      for (int i = 0; i < REQUESTS; i++) {
        all.add(
            engine.submit(
                Request.of(Prompt.of(1, 2, 3 + i), Sampling.greedy(4))
                    .withTerms(Terms.DEFAULT.withSession("Sitzung \u00fc\ud83d\ude80 " + i))));
      }
      for (Generation one : all) {
        one.await();
      }
    }
    bytes = Files.readAllBytes(file);
    whole = JournalFile.read(file);
  }

  private static Path write(byte[] content) throws IOException {
    return Files.write(Files.createTempFile(folder, "some", ".journal"), content);
  }

  private static int lines(byte[] content) {
    int lines = 0;
    for (byte one : content) {
      lines += one == '\n' ? 1 : 0;
    }
    return lines;
  }

  @Test
  void ofAFileThatIsCutOffAnywhereAllWholeLinesAreThere() throws IOException {
    Random random = new Random(1);
    int headerEnd = endOfLine(0);
    int insideLines = 0;
    for (int i = 0; i < CUTS; i++) {
      int length = headerEnd + random.nextInt(bytes.length - headerEnd);
      byte[] cut = Arrays.copyOf(bytes, length);
      JournalFile journal = JournalFile.read(write(cut));
      int records =
          1
              + journal.arrivals().size()
              + journal.placements().size()
              + journal.steps().size()
              + journal.ends().size()
              + (journal.closed() ? 1 : 0);
      boolean lastIsWhole = journal.cut().isEmpty() && cut[length - 1] != '\n';
      assertThat(records).as("cut at %d", length).isEqualTo(lines(cut) + (lastIsWhole ? 1 : 0));
      assertThat(journal.placements())
          .isEqualTo(whole.placements().subList(0, journal.placements().size()));
      assertThat(journal.steps()).isEqualTo(whole.steps().subList(0, journal.steps().size()));
      if (journal.cut().isPresent()) {
        insideLines++;
        assertThat(journal.closed()).isFalse();
        assertThat(journal.cut().get())
            .hasMessageContaining("line " + (lines(cut) + 1))
            .hasMessageContaining("at byte " + startOfLine(length));
      }
    }
    assertThat(insideLines).isGreaterThan(CUTS / 2);
  }

  private static int endOfLine(int from) {
    int at = from;
    while (bytes[at] != '\n') {
      at++;
    }
    return at + 1;
  }

  private static int startOfLine(int at) {
    int start = at;
    while (bytes[start - 1] != '\n') {
      start--;
    }
    return start;
  }

  @Test
  void aFileThatIsWrongInTheMiddleIsAnErrorThatNamesTheLineAndTheByte() throws IOException {
    int line = lines(bytes) / 2;
    int start = 0;
    for (int i = 1; i < line; i++) {
      start = endOfLine(start);
    }
    int end = endOfLine(start);
    for (byte[] wrong :
        List.of(
            "".getBytes(StandardCharsets.UTF_8),
            "null".getBytes(StandardCharsets.UTF_8),
            "[1, 2]".getBytes(StandardCharsets.UTF_8),
            "\"text".getBytes(StandardCharsets.UTF_8),
            "{\"type\":\"nothing\"}".getBytes(StandardCharsets.UTF_8),
            "{\"type\":\"end\",\"request\":1}".getBytes(StandardCharsets.UTF_8),
            "{\"type\":\"gap\",\"records\":\"many\"}".getBytes(StandardCharsets.UTF_8),
            ("{\"type\":\"end\",\"request\":0,\"choice\":99999999999,\"nanos\":1,"
                    + "\"reason\":\"STOP\",\"output\":[1]}")
                .getBytes(StandardCharsets.UTF_8),
            ("{\"type\":\"end\",\"request\":0,\"choice\":0,\"nanos\":1,"
                    + "\"reason\":\"STOP\",\"output\":[\"x\"]}")
                .getBytes(StandardCharsets.UTF_8),
            new byte[] {'"', (byte) 0xC3, '"'})) {
      byte[] content = Arrays.copyOf(bytes, start + wrong.length + bytes.length - (end - 1));
      System.arraycopy(wrong, 0, content, start, wrong.length);
      System.arraycopy(bytes, end - 1, content, start + wrong.length, bytes.length - (end - 1));
      Path file = write(content);
      assertThatThrownBy(() -> JournalFile.read(file))
          .as(new String(wrong, StandardCharsets.ISO_8859_1))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining(file.toString())
          .hasMessageContaining("line " + line + " (at byte " + start + ")");
    }
  }

  @Test
  void aHeaderThatIsCutOffIsNoJournal() throws IOException {
    for (int length = 1; length < endOfLine(0) - 1; length += 7) {
      Path file = write(Arrays.copyOf(bytes, length));
      assertThatThrownBy(() -> JournalFile.read(file))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("this is no journal of Weir");
    }
  }

  @Test
  void twoJournalsInOneFileAreAnError() throws IOException {
    byte[] twice = Arrays.copyOf(bytes, 2 * bytes.length);
    System.arraycopy(bytes, 0, twice, bytes.length, bytes.length);
    Path file = write(twice);
    assertThatThrownBy(() -> JournalFile.read(file))
        .isInstanceOf(JournalException.class)
        .hasMessageContaining("a second journal begins here");
  }

  @Test
  void whatWasCutOffRunsAgainAsFarAsItGoes() throws IOException, InterruptedException {
    JournalFile cut = JournalFile.read(write(Arrays.copyOf(bytes, 2 * bytes.length / 3)));
    assertThat(cut.ends()).isNotEmpty().hasSizeLessThan(REQUESTS);
    EngineOptions options =
        EngineOptions.of(folder.resolve("model")).withDevice(new DeviceChoice.Reference());
    try (Engine engine = Engine.open(options)) {
      Replay.Result result = Replay.run(cut, engine, 2, false);
      assertThat(result.difference()).isEmpty();
      assertThat(result.choices()).isEqualTo(cut.ends().size());
    }
    Replan.Schedule planned = new Replan(cut).simulated(Scheduling.DEFAULT, 1, 1);
    assertThat(planned.latencies().firstToken()).hasSameSizeAs(cut.arrivals());
  }
}
