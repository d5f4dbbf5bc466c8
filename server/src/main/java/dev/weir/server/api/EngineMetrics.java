package dev.weir.server.api;

import dev.weir.engine.plan.LatencyTarget;
import dev.weir.engine.plan.Policy;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.EngineStats;
import dev.weir.engine.request.JournalStats;
import dev.weir.engine.request.ShardStats;
import dev.weir.server.http.HttpStats;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.List;
import java.util.Map;
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
        "Requests refused because the queue was full, or predicted to take too long.",
        EngineStats::rejected);
    metrics.counter(
        "weir_choices_cancelled_total", "Choices that were cancelled.", EngineStats::cancelled);
    metrics.counter("weir_choices_failed_total", "Choices that failed.", EngineStats::failed);
    metrics.counter(
        "weir_preemptions_total",
        "Sequences that lost their blocks and started over.",
        EngineStats::preemptions);
    metrics.labelled(
        "weir_requests_timed_out_total",
        "Requests whose time ran out, by clock.",
        "clock",
        Map.of(
            "queue_timeout", EngineStats::timedOutInQueue,
            "ttft_deadline", EngineStats::timedOutBeforeFirstToken,
            "deadline", EngineStats::timedOut));
    metrics.labelled(
        "weir_itl_target_missed_total",
        "Steps longer than the target: for a prompt's floor, or longer than the worst step may be.",
        "reason",
        Map.of("floor", EngineStats::missedByFloor, "worst_step", EngineStats::missedByWorstStep));
    metrics.counter(
        "weir_decode_stall_seconds_total",
        "Time that others' prompts added to decode rows' steps, over all rows.",
        s -> s.stalledNanos() / NANOS_PER_SECOND);
    metrics.counter(
        "weir_copied_tokens_total",
        "Prompt tokens whose KV was copied from another device.",
        EngineStats::copiedTokens);
    metrics.counter(
        "weir_restored_tokens_total",
        "Prompt tokens whose KV was copied back from host memory.",
        EngineStats::restoredTokens);
    metrics.counter(
        "weir_evicted_tokens_total",
        "Tokens computed again because their KV had been given away.",
        EngineStats::evictedTokens);
    metrics.counter(
        "weir_spilled_blocks_total",
        "KV blocks copied to host memory.",
        EngineStats::spilledBlocks);
    metrics.gauge(
        "weir_host_kv_blocks", "KV blocks of host memory in all.", EngineStats::hostBlocks);
    metrics.gauge(
        "weir_host_kv_blocks_cached",
        "KV blocks of host memory that hold an idle context.",
        EngineStats::hostCachedBlocks);
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

  /** What each shard holds, by its number. */
  static void registerShards(PrometheusRegistry registry, Supplier<List<ShardStats>> shards) {
    shardGauge(
        registry,
        shards,
        "weir_shard_blocks_held",
        "Blocks that sequences hold.",
        ShardStats::heldBlocks);
    shardGauge(
        registry,
        shards,
        "weir_shard_blocks_cached",
        "Blocks that nobody holds and that could be found again.",
        ShardStats::cachedBlocks);
    shardGauge(
        registry,
        shards,
        "weir_shard_blocks_leased",
        "Blocks that idle sessions keep by lease.",
        ShardStats::leasedBlocks);
    shardGauge(
        registry,
        shards,
        "weir_shard_sequences_running",
        "Sequences that run.",
        ShardStats::running);
    shardGauge(
        registry,
        shards,
        "weir_shard_open",
        "1 while the shard takes requests, 0 once its device is lost.",
        shard -> shard.open() ? 1 : 0);
  }

  private static void shardGauge(
      PrometheusRegistry registry,
      Supplier<List<ShardStats>> shards,
      String name,
      String help,
      ToDoubleFunction<ShardStats> value) {
    GaugeWithCallback.builder()
        .name(name)
        .help(help)
        .labelNames("shard")
        .callback(
            callback ->
                shards
                    .get()
                    .forEach(
                        shard ->
                            callback.call(
                                value.applyAsDouble(shard), Integer.toString(shard.number()))))
        .register(registry);
  }

  /** What mixed steps are held to, where the policy holds them to anything. */
  static void registerTarget(PrometheusRegistry registry, Scheduling scheduling) {
    if (!(scheduling.policy() instanceof Policy.TimeBudget)) {
      return;
    }
    switch (scheduling.latencyTarget()) {
      case LatencyTarget.Factor(double factor) ->
          gauge(
              registry,
              "weir_itl_target_ratio",
              "Steps with prefill, as a factor of their decode rows alone: the mean to hold.",
              () -> factor);
      case LatencyTarget.Nanos(double nanos) ->
          gauge(
              registry,
              "weir_itl_target_seconds",
              "Steps with prefill: the mean to hold.",
              () -> nanos / NANOS_PER_SECOND);
    }
  }

  /** Whether what the engine does is still written down. */
  static void registerJournal(PrometheusRegistry registry, Supplier<JournalStats> journal) {
    gauge(
        registry,
        "weir_journal_failed",
        "1 once the journal's file could not be written to and ends there, else 0.",
        () -> journal.get().failed() ? 1 : 0);
    CounterWithCallback.builder()
        .name("weir_journal_lost_records_total")
        .help("Records that came faster than they could be written, or after the journal's end.")
        .callback(callback -> callback.call((double) journal.get().lostRecords()))
        .register(registry);
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

  /** A counter for each value of a label. */
  private void labelled(
      String name, String help, String label, Map<String, ToDoubleFunction<EngineStats>> values) {
    CounterWithCallback.builder()
        .name(name)
        .help(help)
        .labelNames(label)
        .callback(
            callback -> {
              EngineStats now = stats.get();
              values.forEach((of, value) -> callback.call(value.applyAsDouble(now), of));
            })
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
