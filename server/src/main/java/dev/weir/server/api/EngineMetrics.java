package dev.weir.server.api;

import dev.weir.engine.request.EngineStats;
import dev.weir.server.http.HttpStats;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/** The engine's and the HTTP server's own numbers, read when somebody asks for the metrics. */
final class EngineMetrics {
  private static final double NANOS_PER_SECOND = 1e9;

  private final PrometheusRegistry registry;
  private final Supplier<EngineStats> stats;

  private EngineMetrics(PrometheusRegistry registry, Supplier<EngineStats> stats) {
    this.registry = registry;
    this.stats = stats;
  }

  static void registerEngine(PrometheusRegistry registry, Supplier<EngineStats> stats) {
    EngineMetrics metrics = new EngineMetrics(registry, stats);
    metrics.counter("weir_steps_total", "Steps computed.", EngineStats::steps);
    metrics.counter(
        "weir_step_seconds_total",
        "Time spent computing steps.",
        s -> s.stepNanos() / NANOS_PER_SECOND);
    metrics.counter(
        "weir_prefill_tokens_total", "Prompt tokens computed.", EngineStats::prefillTokens);
    metrics.counter("weir_decode_tokens_total", "Tokens drawn.", EngineStats::decodeTokens);
    metrics.counter(
        "weir_prompt_tokens_total", "Tokens of admitted prompts.", EngineStats::promptTokens);
    metrics.counter(
        "weir_cached_tokens_total",
        "Prompt tokens whose KV was found in the prefix index.",
        EngineStats::cachedTokens);
    metrics.counter("weir_requests_total", "Requests taken.", EngineStats::requests);
    metrics.counter(
        "weir_requests_rejected_total",
        "Requests refused because the queue was full.",
        EngineStats::rejected);
    metrics.counter(
        "weir_choices_cancelled_total", "Choices that were cancelled.", EngineStats::cancelled);
    metrics.counter("weir_choices_failed_total", "Choices that failed.", EngineStats::failed);
    metrics.counter(
        "weir_preemptions_total",
        "Sequences that lost their blocks and started over.",
        EngineStats::preemptions);
    metrics.gauge("weir_sequences_running", "Sequences that hold a slot.", EngineStats::running);
    metrics.gauge(
        "weir_sequences_waiting", "Sequences that wait for a slot.", EngineStats::waiting);
    metrics.gauge("weir_kv_blocks", "KV blocks in all.", EngineStats::blocks);
    metrics.gauge("weir_kv_blocks_held", "KV blocks that sequences hold.", EngineStats::heldBlocks);
    metrics.gauge(
        "weir_kv_blocks_cached",
        "KV blocks that only the prefix index holds.",
        EngineStats::cachedBlocks);
    metrics.gauge(
        "weir_heartbeat_age_seconds",
        "Time since the step loop last went round.",
        s -> s.heartbeatAgeNanos() / NANOS_PER_SECOND);
  }

  static void registerHttp(PrometheusRegistry registry, Supplier<HttpStats> stats) {
    gauge(
        registry,
        "weir_http_connections",
        "Open connections.",
        () -> stats.get().openConnections());
    gauge(
        registry,
        "weir_http_exchanges",
        "Requests being handled.",
        () -> stats.get().activeExchanges());
    gauge(
        registry,
        "weir_http_buffer_bytes",
        "Off-heap memory in use by network buffers.",
        () -> stats.get().directBytes());
  }

  private void counter(String name, String help, ToDoubleFunction<EngineStats> value) {
    CounterWithCallback.builder()
        .name(name)
        .help(help)
        .callback(callback -> callback.call(value.applyAsDouble(stats.get())))
        .register(registry);
  }

  private void gauge(String name, String help, ToDoubleFunction<EngineStats> value) {
    gauge(registry, name, help, () -> value.applyAsDouble(stats.get()));
  }

  private static void gauge(
      PrometheusRegistry registry, String name, String help, Supplier<Number> value) {
    GaugeWithCallback.builder()
        .name(name)
        .help(help)
        .callback(callback -> callback.call(value.get().doubleValue()))
        .register(registry);
  }
}
