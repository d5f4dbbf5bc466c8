package dev.weir.server.protocol;

import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Shards and steps as JSON: lists in OpenAI's shape, times in milliseconds. */
public final class EngineReplies {
  private EngineReplies() {}

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
