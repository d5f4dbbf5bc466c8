package dev.weir.server.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.request.JournalStats;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** What {@code /metrics} says, for levels of the engine's that a test sets. */
final class EngineMetricsTest {
  private static String scrape(PrometheusRegistry registry) throws IOException {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    PrometheusTextFormatWriter.create().write(text, registry.scrape());
    return text.toString(StandardCharsets.UTF_8);
  }

  @Test
  void aJournalThatEndedTooSoonIsSeen() throws IOException {
    AtomicReference<JournalStats> journal = new AtomicReference<>(JournalStats.NOTHING_LOST);
    PrometheusRegistry registry = new PrometheusRegistry();
    EngineMetrics.registerJournal(registry, journal::get);
    assertThat(scrape(registry))
        .contains("# TYPE weir_journal_failed gauge", "\nweir_journal_failed 0.0\n")
        .contains("# TYPE weir_journal_lost_records_total counter")
        .contains("\nweir_journal_lost_records_total 0.0\n");

    journal.set(new JournalStats(true, 17));
    assertThat(scrape(registry))
        .contains("\nweir_journal_failed 1.0\n", "\nweir_journal_lost_records_total 17.0\n");
  }
}
