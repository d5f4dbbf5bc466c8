package dev.weir.tests.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.engine.request.StepRecord;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page while somebody uses it: with the keyboard, and with other tabs before it. */
class PageAtWorkTest {
  private static final long MILLI = 1_000_000;
  private static final int STEPS = 40;
  private static final int WIDTH = 1280;

  /** A poll that was under way comes to its end. */
  private static final int UNDER_WAY_MILLIS = 500;

  /** Longer than two polls. */
  private static final int HIDDEN_MILLIS = 2500;

  private static final String STATE = "document.body?.dataset.state";
  private static final String STEP =
      "document.querySelector('canvas')?.getAttribute('aria-valuenow')";
  private static final String READING = "document.querySelector('.reading').textContent";

  @SuppressWarnings("NullAway.Init")
  private Browser browser;

  @BeforeEach
  void findBrowser(@TempDir Path folder) {
    Optional<Browser> found = Browser.find(folder);
    assumeTrue(found.isPresent(), "skipped: there is no Chromium on this machine's search path");
    browser = found.orElseThrow();
  }

  private static List<StepRecord> steps(int count) {
    List<StepRecord> steps = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long end = 1000 * MILLI + 100 * MILLI * i;
      steps.add(new StepRecord(i, 0, end, 10 * MILLI, 10 * MILLI, 10 * MILLI, 4, 0, 0));
    }
    return steps;
  }

  @Test
  void aHiddenPageAsksNothingAndGoesOnWhenItIsSeenAgain() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.steps = steps(STEPS);
      try (OpenPage page = browser.open(server.uri(), WIDTH)) {
        page.await(STATE, "live");
        page.hide();
        page.await(STATE, "paused");
        page.await("document.getElementById('state').textContent", "paused while hidden");
        Thread.sleep(UNDER_WAY_MILLIS);
        int asked = server.polls();
        Thread.sleep(HIDDEN_MILLIS);
        assertThat(server.polls()).as("polls while it is hidden").isEqualTo(asked);
        assertThat(page.evaluate(STATE)).isEqualTo("paused");

        server.steps = steps(STEPS + 5);
        page.show();
        page.await(STATE, "live");
        page.await(STEP, Integer.toString(STEPS + 4));
        assertThat(server.polls()).isGreaterThan(asked);
      }
    }
  }

  @Test
  void aTimelineIsReachedAndReadWithTheKeyboard() throws Exception {
    try (ScriptedServer server = new ScriptedServer()) {
      server.steps = steps(STEPS);
      try (OpenPage page = browser.open(server.uri(), WIDTH)) {
        page.await(STEP, Integer.toString(STEPS - 1));
        for (int tabs = 0; !page.evaluate("document.activeElement.tagName").equals("CANVAS"); ) {
          assertThat(tabs++).as("presses of the tabulator").isLessThan(20);
          page.press("Tab");
        }
        assertThat(page.evaluate(READING)).startsWith("Newest: step 39 ·");
        press(page, "ArrowLeft", STEPS - 2);
        assertThat(page.evaluate(READING)).startsWith("step 38 · 10.0 ms, predicted 10.0 ms");
        press(page, "ArrowDown", STEPS - 3);
        press(page, "ArrowRight", STEPS - 2);
        press(page, "ArrowUp", STEPS - 1);
        press(page, "ArrowRight", STEPS - 1);
        press(page, "PageDown", STEPS - 11);
        press(page, "PageUp", STEPS - 1);
        press(page, "Home", 0);
        press(page, "ArrowLeft", 0);
        press(page, "PageUp", 10);
        press(page, "End", STEPS - 1);
        press(page, "ArrowLeft", STEPS - 2);

        server.steps = steps(STEPS + 20);
        int asked = server.polls();
        while (server.polls() < asked + 2) {
          Thread.sleep(20);
        }
        assertThat(page.evaluate(STEP)).as("the step that is looked at stays").isEqualTo("38");
        press(page, "End", STEPS - 1);
        press(page, "Escape", STEPS + 19);
        assertThat(page.evaluate(READING)).startsWith("Newest: step 59 ·");
        assertThat(page.evaluate("document.querySelector('canvas').getAttribute('aria-valuemax')"))
            .isEqualTo("59");
      }
    }
  }

  private static void press(OpenPage page, String key, int step) throws InterruptedException {
    page.press(key);
    assertThat(page.evaluate(STEP)).as("after " + key).isEqualTo(Integer.toString(step));
  }
}
