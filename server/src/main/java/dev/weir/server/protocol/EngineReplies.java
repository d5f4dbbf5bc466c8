package dev.weir.server.protocol;

import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Sessions, shards and steps as JSON: lists in OpenAI's shape, times in milliseconds. */
public final class EngineReplies {
  private EngineReplies() {}

  /**
   * A list of sessions.
   *
   * @param shown those that the list has
   * @param total how many there are
   */
  public static byte[] sessions(List<SessionInfo> shown, int total) {
    ObjectNode root = list();
    ArrayNode data = root.putArray("data");
    shown.forEach(session -> describe(data.addObject(), session));
    return Json.write(root.put("total", total).put("has_more", total > shown.size()));
  }

  /** One session. */
  public static byte[] session(SessionInfo session) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    describe(root, session);
    return Json.write(root);
  }

  /**
   * The name of a session as a path has it.
   *
   * @throws ApiException 400 if no session can have that name
   */
  public static String sessionId(String name) {
    return TermsFields.checkName("session_id", name);
  }

  private static void describe(ObjectNode node, SessionInfo session) {
    node.put("id", session.id())
        .put("object", "session")
        .put("active_requests", session.activeRequests())
        .put("turns", session.turns())
        .put("tokens", session.tokens())
        .put("device_tokens", session.deviceTokens())
        .put("host_tokens", session.hostTokens())
        .put("shard", session.shard() < 0 ? null : (Integer) session.shard())
        .put("idle_ms", Accounts.millis(session.idleNanos()))
        .put("lease_ms", Accounts.millis(session.leaseNanos()));
  }

  /** All shards. */
  public static byte[] shards(List<ShardStats> shards) {
    ObjectNode root = list();
    ArrayNode data = root.putArray("data");
    for (ShardStats shard : shards) {
      data.addObject()
          .put("shard", shard.number())
          .put("device", shard.device())
          .put("device_name", shard.deviceName())
          .put("open", shard.open())
          .put("blocks", shard.blocks())
          .put("held_blocks", shard.heldBlocks())
          .put("leased_blocks", shard.leasedBlocks())
          .put("cached_blocks", shard.cachedBlocks())
          .put("running", shard.running());
    }
    return Json.write(root);
  }

  /** Steps, oldest first. */
  public static byte[] steps(List<StepRecord> steps, boolean hasMore) {
    ObjectNode root = list();
    ArrayNode data = root.putArray("data");
    for (StepRecord step : steps) {
      data.addObject()
          .put("number", step.number())
          .put("device", step.device())
          .put("end_ms", Accounts.millis(step.endNanos()))
          .put("ms", Accounts.millis(step.nanos()))
          .put("predicted_ms", Accounts.millis(step.predictedNanos()))
          .put("predicted_decode_ms", Accounts.millis(step.decodeNanos()))
          .put("decode_rows", step.decodeRows())
          .put("prefill_tokens", step.prefillTokens())
          .put("prefills", step.prefills());
    }
    return Json.write(root.put("has_more", hasMore));
  }

  private static ObjectNode list() {
    return JsonNodeFactory.instance.objectNode().put("object", "list");
  }
}
