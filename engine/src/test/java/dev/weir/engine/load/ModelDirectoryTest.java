package dev.weir.engine.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelDirectoryTest {

  @TempDir Path folder;

  @Test
  void a_folder_with_a_configuration_is_the_model() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{}");

    assertThat(ModelDirectory.resolve(folder)).isEqualTo(folder);
  }

  @Test
  void a_hub_cache_folder_leads_to_the_snapshot_that_main_names() throws IOException {
    snapshot("aaaa");
    Path wanted = snapshot("bbbb");
    main("bbbb\n");

    assertThat(ModelDirectory.resolve(folder)).isEqualTo(wanted);
  }

  @Test
  void a_hub_cache_folder_with_one_snapshot_leads_to_it_whatever_main_says() throws IOException {
    Path only = snapshot("aaaa");
    assertThat(ModelDirectory.resolve(folder)).isEqualTo(only);

    main("gone");
    assertThat(ModelDirectory.resolve(folder)).isEqualTo(only);
  }

  @Test
  void several_snapshots_and_no_main_is_a_question_back() throws IOException {
    snapshot("aaaa");
    snapshot("bbbb");

    assertThatThrownBy(() -> ModelDirectory.resolve(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("give the directory of one snapshot");
  }

  @Test
  void a_revision_cannot_lead_out_of_the_cache() throws IOException {
    snapshot("aaaa");
    main("../../../etc");

    assertThatThrownBy(() -> ModelDirectory.resolve(folder))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("not a revision");
  }

  @Test
  void what_is_no_model_is_refused() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "x");
    assertThatThrownBy(() -> ModelDirectory.resolve(folder)).hasMessageContaining("config.json");
    assertThatThrownBy(() -> ModelDirectory.resolve(file)).hasMessageContaining("is a file");
    assertThatThrownBy(() -> ModelDirectory.resolve(folder.resolve("none")))
        .isInstanceOf(ModelLoadException.class)
        .hasMessageContaining("does not exist");
  }

  private Path snapshot(String revision) throws IOException {
    Path snapshot = Files.createDirectories(folder.resolve("snapshots").resolve(revision));
    Files.writeString(snapshot.resolve("config.json"), "{}");
    return snapshot;
  }

  private void main(String revision) throws IOException {
    Files.createDirectories(folder.resolve("refs"));
    Files.writeString(folder.resolve("refs/main"), revision);
  }
}
