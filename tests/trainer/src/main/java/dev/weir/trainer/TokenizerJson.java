package dev.weir.trainer;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The vocabulary as {@code tokenizer.json} and {@code tokenizer_config.json} describe it. */
final class TokenizerJson {
  /** Writes a conversation as the corpus does; a role that the model does not know is an error. */
  static final String CHAT_TEMPLATE =
      """
      {%- for message in messages -%}
        {%- if message['role'] not in ['system', 'user', 'assistant'] -%}
          {{- raise_exception('The demo model knows the roles system, user and assistant only.') -}}
        {%- endif -%}
        {{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}
      {%- endfor -%}
      {%- if add_generation_prompt -%}
        {{- '<|assistant|>' -}}
      {%- endif -%}
      """;

  private TokenizerJson() {}

  /** Returns the content of {@code tokenizer.json}. */
  static Map<String, Object> tokenizer(Vocabulary vocabulary) {
    List<Object> specials = new ArrayList<>();
    for (int id = 0; id < Vocabulary.SPECIALS.size(); id++) {
      Map<String, Object> special = new LinkedHashMap<>();
      special.put("id", id);
      special.putAll(addedToken(Vocabulary.SPECIALS.get(id)));
      specials.add(special);
    }
    Map<String, Object> tokenizer = new LinkedHashMap<>();
    tokenizer.put("version", "1.0");
    tokenizer.put("truncation", null);
    tokenizer.put("padding", null);
    tokenizer.put("added_tokens", specials);
    tokenizer.put("normalizer", null);
    tokenizer.put("pre_tokenizer", preTokenizer());
    tokenizer.put("post_processor", null);
    tokenizer.put("decoder", byteLevel());
    tokenizer.put("model", model(vocabulary));
    return tokenizer;
  }

  /** Returns the content of {@code tokenizer_config.json}. */
  static Map<String, Object> config(int context) {
    Map<String, Object> added = new LinkedHashMap<>();
    for (int id = 0; id < Vocabulary.SPECIALS.size(); id++) {
      added.put(Integer.toString(id), addedToken(Vocabulary.SPECIALS.get(id)));
    }
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("tokenizer_class", "PreTrainedTokenizerFast");
    config.put("model_max_length", context);
    config.put("clean_up_tokenization_spaces", false);
    config.put("add_bos_token", false);
    config.put("add_eos_token", false);
    config.put("bos_token", null);
    config.put("eos_token", Vocabulary.SPECIALS.get(Vocabulary.END));
    config.put("pad_token", Vocabulary.SPECIALS.get(Vocabulary.END_OF_TEXT));
    config.put("added_tokens_decoder", added);
    config.put("chat_template", CHAT_TEMPLATE);
    return config;
  }

  private static Map<String, Object> addedToken(String content) {
    Map<String, Object> token = new LinkedHashMap<>();
    token.put("content", content);
    token.put("single_word", false);
    token.put("lstrip", false);
    token.put("rstrip", false);
    token.put("normalized", false);
    token.put("special", true);
    return token;
  }

  private static Map<String, Object> preTokenizer() {
    Map<String, Object> split = new LinkedHashMap<>();
    split.put("type", "Split");
    split.put("pattern", Map.of("Regex", PreTokenizer.PATTERN));
    split.put("behavior", "Isolated");
    split.put("invert", false);
    Map<String, Object> sequence = new LinkedHashMap<>();
    sequence.put("type", "Sequence");
    sequence.put("pretokenizers", List.of(split, byteLevel()));
    return sequence;
  }

  private static Map<String, Object> byteLevel() {
    Map<String, Object> byteLevel = new LinkedHashMap<>();
    byteLevel.put("type", "ByteLevel");
    byteLevel.put("add_prefix_space", false);
    byteLevel.put("trim_offsets", false);
    byteLevel.put("use_regex", false);
    return byteLevel;
  }

  private static Map<String, Object> model(Vocabulary vocabulary) {
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (int id = 0; id < vocabulary.size(); id++) {
      ids.put(vocabulary.spelling(id), id);
    }
    List<String> merges =
        vocabulary.merges().stream()
            .map(pair -> vocabulary.spelling(pair.left()) + " " + vocabulary.spelling(pair.right()))
            .toList();
    Map<String, Object> model = new LinkedHashMap<>();
    model.put("type", "BPE");
    model.put("dropout", null);
    model.put("unk_token", null);
    model.put("continuing_subword_prefix", null);
    model.put("end_of_word_suffix", null);
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.put("ignore_merges", false);
    model.put("vocab", ids);
    model.put("merges", merges);
    return model;
  }
}
