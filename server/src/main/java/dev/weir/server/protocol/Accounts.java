package dev.weir.server.protocol;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.TimeLimit;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Accounts and clocks as JSON. Times are in milliseconds, with fractions. */
final class Accounts {
  private static final double NANOS_PER_MILLI = 1e6;

  private Accounts() {}

  /** What replies have under {@code weir}: an account for each prompt. */
  static ObjectNode node(List<Account> accounts) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    ArrayNode array = node.putArray("accounts");
    accounts.forEach(account -> describe(array.addObject(), account));
    return node;
  }

  private static void describe(ObjectNode node, Account account) {
    node.put("queued_ms", millis(account.queuedNanos()))
        .put("copy_ms", millis(account.copyNanos()))
        .put("prefill_ms", millis(account.prefillNanos()))
        .put("decode_ms", millis(account.decodeNanos()))
        .put("stalled_ms", millis(account.stalledNanos()))
        .put("shared_tokens", account.sharedTokens())
        .put("copied_tokens", account.copiedTokens())
        .put("restored_tokens", account.restoredTokens())
        .put("recomputed_tokens", account.recomputedTokens())
        .put("cold_tokens", account.coldTokens())
        .put("evicted_tokens", account.evictedTokens())
        .put("other_shard_tokens", account.otherShardTokens())
        .put("preemptions", account.preemptions())
        .put("shard", account.shard() < 0 ? null : (Integer) account.shard())
        .put("expired", account.expired().map(Accounts::name).orElse(null));
  }

  static double millis(long nanos) {
    return nanos / NANOS_PER_MILLI;
  }

  /** The field of a request that sets the clock. */
  static String name(TimeLimit clock) {
    return switch (clock) {
      case QUEUE -> "queue_timeout";
      case FIRST_TOKEN -> "ttft_deadline";
      case TOTAL -> "deadline";
    };
  }

  /** Which clock ended a choice; null where none did. */
  static @Nullable String timeout(FinishReason reason, Account account) {
    return reason == FinishReason.TIMEOUT
        ? name(account.expired().orElse(TimeLimit.TOTAL)) // a choice with tokens was not in a queue
        : null;
  }
}
