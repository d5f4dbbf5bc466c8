package dev.weir.engine.load;

import static dev.weir.engine.load.ModelLoadException.quote;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.SequencedSet;
import tools.jackson.databind.JsonNode;

/**
 * {@code model.safetensors.index.json}: which shard holds which tensor.
 *
 * <p>Its {@code metadata.total_size} is not checked: published indexes count tied tensors in
 * different ways, and every shard's own header is exact.
 *
 * @param shards names of the shard files, in order of first mention
 * @param shardOf tensor name to shard file name
 */
record ShardIndex(SequencedSet<String> shards, Map<String, String> shardOf) {

  static final int MAX_INDEX_BYTES = 32 << 20; // ten times that of a 60-layer, 256-expert model
  static final int MAX_SHARDS = 1024; // published models have up to about 200
  private static final String WEIGHT_MAP = "weight_map";

  static ShardIndex read(Path file) {
    JsonNode map = StrictJson.readObject(file, MAX_INDEX_BYTES).path(WEIGHT_MAP);
    if (!map.isObject() || map.isEmpty()) {
      throw damaged(file, WEIGHT_MAP, "is not an object of tensor and file names");
    }
    SequencedSet<String> shards = new LinkedHashSet<>();
    Map<String, String> shardOf = LinkedHashMap.newLinkedHashMap(map.size());
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String place = WEIGHT_MAP + " " + quote(entry.getKey());
      if (!entry.getValue().isString()) {
        throw damaged(file, place, "is not a file name");
      }
      String shard = entry.getValue().stringValue();
      checkName(file, place, shard);
      shards.add(shard);
      if (shards.size() > MAX_SHARDS) {
        throw damaged(file, WEIGHT_MAP, "names more than " + MAX_SHARDS + " shards");
      }
      shardOf.put(entry.getKey(), shard);
    }
    return new ShardIndex(shards, shardOf);
  }

  private static void checkName(Path file, String place, String shard) {
    boolean plain =
        shard.endsWith(".safetensors")
            && shard.chars().allMatch(c -> c > ' ' && c < 0x7f && c != '/' && c != '\\' && c != ':')
            && !shard.startsWith(".");
    if (!plain) {
      throw damaged(
          file,
          place,
          "names %s, which is not a plain safetensors file name".formatted(quote(shard)));
    }
  }

  private static ModelLoadException damaged(Path file, String place, String problem) {
    return new ModelLoadException(file, place, problem, StrictJson.DAMAGED);
  }
}
