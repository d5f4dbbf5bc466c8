package dev.weir.engine.text;

import dev.weir.engine.load.ModelLoadException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * What a model directory says beside its tokenizer.json: the names of its special tokens and its
 * chat templates. Every file is optional.
 *
 * @param specialTokens text by role ({@code bos_token}, {@code eos_token}, ...), in the file's
 *     order
 * @param chatTemplates template source by name; the usual one is called {@value #DEFAULT_TEMPLATE}
 */
record TokenizerConfig(Map<String, String> specialTokens, Map<String, String> chatTemplates) {

  static final String DEFAULT_TEMPLATE = "default";

  /** The longest template in public use has about 60 KB; configurations list added tokens too. */
  private static final long MAX_FILE_BYTES = 16L << 20;

  private static final String REMEDY = "use the file that was published with the model";

  /** Reads tokenizer_config.json, special_tokens_map.json, chat_template.json and .jinja. */
  static TokenizerConfig read(Path directory) {
    JsonNode config = readJson(directory.resolve("tokenizer_config.json"));
    JsonNode map = readJson(directory.resolve("special_tokens_map.json"));
    Map<String, String> tokens = new LinkedHashMap<>();
    collectTokens(map, tokens);
    collectTokens(config, tokens);
    Map<String, String> templates = new TreeMap<>();
    collectTemplates(config.path("chat_template"), templates);
    collectTemplates(
        readJson(directory.resolve("chat_template.json")).path("chat_template"), templates);
    Path jinja = directory.resolve("chat_template.jinja");
    if (Files.exists(jinja)) {
      templates.put(DEFAULT_TEMPLATE, readText(jinja));
    }
    return new TokenizerConfig(tokens, templates);
  }

  /** With {@code source} as the only chat template. */
  TokenizerConfig withChatTemplate(String source) {
    return new TokenizerConfig(specialTokens, Map.of(DEFAULT_TEMPLATE, source));
  }

  /** A token is a string, or an object that has it as {@code content}. */
  private static void collectTokens(JsonNode node, Map<String, String> tokens) {
    node.properties()
        .forEach(
            field -> {
              JsonNode value = field.getValue();
              JsonNode content = value.isObject() ? value.path("content") : value;
              if (field.getKey().endsWith("_token") && content.isString()) {
                tokens.put(field.getKey(), content.asString());
              }
            });
  }

  /** One template, or a list of {@code {"name": ..., "template": ...}}. */
  private static void collectTemplates(JsonNode node, Map<String, String> templates) {
    if (node.isString()) {
      templates.put(DEFAULT_TEMPLATE, node.asString());
    }
    if (node.isArray()) {
      for (JsonNode named : node) {
        if (named.path("name").isString() && named.path("template").isString()) {
          templates.put(named.path("name").asString(), named.path("template").asString());
        }
      }
    }
  }

  private static JsonNode readJson(Path file) {
    if (!Files.exists(file)) {
      return JsonNodeFactory.instance.objectNode();
    }
    try {
      return JsonMapper.shared().readTree(readText(file));
    } catch (JacksonException e) {
      throw new ModelLoadException(file, "JSON", String.valueOf(e.getOriginalMessage()), REMEDY, e);
    }
  }

  private static String readText(Path file) {
    try {
      long size = Files.size(file);
      if (size > MAX_FILE_BYTES) {
        throw new ModelLoadException(
            file, "size", size + " bytes, at most " + MAX_FILE_BYTES + " are read", REMEDY);
      }
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new ModelLoadException(
          file, "file", "cannot be read as UTF-8 (" + e.getMessage() + ")", REMEDY, e);
    }
  }
}
