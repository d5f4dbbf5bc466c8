package dev.weir.engine.run;

import dev.weir.engine.load.JsonWriter;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TimeLimits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A journal's lines: an object each, whose first field says of what kind it is. Numbers that a
 * double cannot hold (seeds) are strings.
 */
final class JournalJson {
  private static final String TYPE = "type";
  private static final String HEADER = "weir-journal";
  private static final String ARRIVAL = "arrival";
  private static final String PLACEMENT = "placement";
  private static final String STEP = "step";
  private static final String END = "end";
  private static final String GAP = "gap";
  private static final String CLOSED = "closed";

  /** Changes when the lines do. */
  private static final int FORMAT = 2;

  /** Numbers of one entry of a step. */
  private static final int ENTRY = 4;

  private static final JsonMapper JSON = JsonMapper.shared();

  private JournalJson() {}

  /** The record's line, without its end. */
  static String line(JournalRecord record) {
    Map<String, Object> line = new LinkedHashMap<>();
    switch (record) {
      case JournalRecord.Header header -> {
        line.put(TYPE, HEADER);
        line.put("format", FORMAT);
        line.put("version", header.version());
        line.put("model", header.model());
        line.put("device", header.device());
        line.put("options", header.options());
      }
      case JournalRecord.Arrival arrival -> {
        Request request = arrival.request();
        line.put(TYPE, ARRIVAL);
        line.put("request", arrival.number());
        line.put("nanos", arrival.nanos());
        line.put("n", request.choices());
        line.put("sampling", sampling(request.sampling()));
        line.put("terms", terms(request.terms()));
        line.put("prompt", request.prompt() instanceof Prompt.Tokens(int[] ids) ? ids : new int[0]);
      }
      case JournalRecord.Placement placement -> {
        line.put(TYPE, PLACEMENT);
        line.put("request", placement.request());
        line.put("choice", placement.choice());
        line.put("nanos", placement.nanos());
        line.put("shard", placement.shard());
        line.put("shared", placement.shared());
        line.put("copied", placement.copied());
        line.put("restored", placement.restored());
        line.put("recomputed", placement.recomputed());
      }
      case JournalRecord.Step step -> {
        line.put(TYPE, STEP);
        line.put("device", step.device());
        line.put("end", step.endNanos());
        line.put("nanos", step.nanos());
        line.put("predicted", step.predictedNanos());
        line.put("tokens", step.tokens());
        line.put("pairs", step.prefillPairs());
        line.put("context", step.context());
        line.put("entries", entries(step.entries()));
      }
      case JournalRecord.End end -> {
        line.put(TYPE, END);
        line.put("request", end.request());
        line.put("choice", end.choice());
        line.put("nanos", end.nanos());
        line.put("reason", end.reason());
        line.put("output", end.output());
      }
      case JournalRecord.Gap gap -> {
        line.put(TYPE, GAP);
        line.put("records", gap.records());
      }
      case JournalRecord.Closed closed -> line.put(TYPE, CLOSED);
    }
    return JsonWriter.text(line);
  }

  /** Request, choice, length, and whether a token was drawn, of one entry after the other. */
  private static long[] entries(List<JournalRecord.Entry> entries) {
    long[] numbers = new long[ENTRY * entries.size()];
    int at = 0;
    for (JournalRecord.Entry entry : entries) {
      numbers[at++] = entry.request();
      numbers[at++] = entry.choice();
      numbers[at++] = entry.length();
      numbers[at++] = entry.drew() ? 1 : 0;
    }
    return numbers;
  }

  private static Map<String, Object> sampling(Sampling sampling) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("temperature", sampling.temperature());
    fields.put("top_k", sampling.topK());
    fields.put("top_p", sampling.topP());
    fields.put("min_p", sampling.minP());
    fields.put("repetition_penalty", sampling.repetitionPenalty());
    fields.put("presence_penalty", sampling.presencePenalty());
    fields.put("frequency_penalty", sampling.frequencyPenalty());
    fields.put("logit_bias", sampling.logitBias());
    fields.put("seed", Long.toString(sampling.seed().orElseThrow()));
    fields.put("max_tokens", sampling.maxTokens());
    fields.put("min_tokens", sampling.minTokens());
    fields.put("stop_token_ids", sampling.stopTokenIds());
    fields.put("stop", sampling.stopStrings());
    fields.put("ignore_eos", sampling.ignoreEos());
    fields.put("logprobs", sampling.logprobs());
    return fields;
  }

  private static Map<String, Object> terms(Terms terms) {
    Map<String, Object> fields = new LinkedHashMap<>();
    terms.session().ifPresent(value -> fields.put("session", value));
    terms.tenant().ifPresent(value -> fields.put("tenant", value));
    fields.put("priority", terms.priority());
    terms.shard().ifPresent(value -> fields.put("shard", value));
    terms.limits().queue().ifPresent(value -> fields.put("queue_nanos", value.toNanos()));
    terms.limits().firstToken().ifPresent(value -> fields.put("ttft_nanos", value.toNanos()));
    terms.limits().total().ifPresent(value -> fields.put("total_nanos", value.toNanos()));
    return fields;
  }

  /**
   * The record of a line.
   *
   * @throws JournalException naming the file and the line
   */
  static JournalRecord parse(JournalLines at) {
    try {
      JsonNode node = JSON.readTree(at.text());
      return switch (text(node, TYPE)) {
        case HEADER -> header(node);
        case ARRIVAL ->
            new JournalRecord.Arrival(
                integer(node, "request"), integer(node, "nanos"), request(node));
        case PLACEMENT ->
            new JournalRecord.Placement(
                integer(node, "request"),
                narrow(node, "choice"),
                integer(node, "nanos"),
                narrow(node, "shard"),
                narrow(node, "shared"),
                narrow(node, "copied"),
                narrow(node, "restored"),
                narrow(node, "recomputed"));
        case STEP -> step(node);
        case END ->
            new JournalRecord.End(
                integer(node, "request"),
                narrow(node, "choice"),
                integer(node, "nanos"),
                text(node, "reason"),
                ints(node, "output"));
        case GAP -> new JournalRecord.Gap(integer(node, "records"));
        case CLOSED -> new JournalRecord.Closed();
        default -> throw new IllegalArgumentException("no line is of type " + node.get(TYPE));
      };
    } catch (JacksonException e) {
      throw at.wrong(
          at.number() == 1 ? "this is no journal of Weir" : "the line is cut off or broken", e);
    } catch (IllegalArgumentException | InvalidRequestException e) {
      throw at.wrong(
          at.number() == 1
              ? "this is no journal of Weir that can be read: " + e.getMessage()
              : String.valueOf(e.getMessage()),
          e);
    }
  }

  private static JournalRecord header(JsonNode node) {
    long format = integer(node, "format");
    if (format != FORMAT) {
      throw new IllegalArgumentException(
          "its format is %d, and this Weir reads %d".formatted(format, FORMAT));
    }
    return new JournalRecord.Header(
        text(node, "version"),
        map(need(node, "model")),
        text(node, "device"),
        map(need(node, "options")));
  }

  private static Map<String, Object> map(JsonNode node) {
    Map<String, Object> map = new LinkedHashMap<>();
    node.properties()
        .forEach(
            field -> map.put(field.getKey(), JSON.treeToValue(field.getValue(), Object.class)));
    return map;
  }

  private static JournalRecord step(JsonNode node) {
    JsonNode numbers = need(node, "entries");
    List<JournalRecord.Entry> entries = new ArrayList<>(numbers.size() / ENTRY);
    for (JsonNode one : numbers) {
      if (!one.canConvertToLong() || !one.isNumber()) {
        throw new IllegalArgumentException("'entries' is no list of whole numbers");
      }
    }
    if (numbers.size() % ENTRY != 0) {
      throw new IllegalArgumentException("'entries' is no whole number of entries");
    }
    for (int i = 0; i < numbers.size(); i += ENTRY) {
      entries.add(
          new JournalRecord.Entry(
              numbers.get(i).longValue(),
              numbers.get(i + 1).intValue(),
              numbers.get(i + 2).intValue(),
              numbers.get(i + 3).intValue() == 1));
    }
    return new JournalRecord.Step(
        narrow(node, "device"),
        integer(node, "end"),
        integer(node, "nanos"),
        integer(node, "predicted"),
        narrow(node, "tokens"),
        real(node, "pairs"),
        real(node, "context"),
        entries);
  }

  private static Request request(JsonNode node) {
    return new Request(
        Prompt.of(ints(node, "prompt")),
        sampling(need(node, "sampling")),
        narrow(node, "n"),
        true,
        terms(need(node, "terms")));
  }

  private static Sampling sampling(JsonNode node) {
    Map<Integer, Float> biases = new HashMap<>();
    need(node, "logit_bias")
        .properties()
        .forEach(
            bias ->
                biases.put(Integer.parseInt(bias.getKey()), (float) bias.getValue().asDouble()));
    List<Integer> stopIds = new ArrayList<>();
    for (int id : ints(node, "stop_token_ids")) {
      stopIds.add(id);
    }
    List<String> stops = new ArrayList<>();
    need(node, "stop").forEach(stop -> stops.add(stop.asString()));
    return Sampling.builder()
        .temperature((float) real(node, "temperature"))
        .topK(narrow(node, "top_k"))
        .topP((float) real(node, "top_p"))
        .minP((float) real(node, "min_p"))
        .repetitionPenalty((float) real(node, "repetition_penalty"))
        .presencePenalty((float) real(node, "presence_penalty"))
        .frequencyPenalty((float) real(node, "frequency_penalty"))
        .logitBias(biases)
        .seed(Long.parseLong(text(node, "seed")))
        .maxTokens(narrow(node, "max_tokens"))
        .minTokens(narrow(node, "min_tokens"))
        .stopTokenIds(stopIds)
        .stopStrings(stops)
        .ignoreEos(need(node, "ignore_eos").asBoolean())
        .logprobs(narrow(node, "logprobs"))
        .build();
  }

  private static Terms terms(JsonNode node) {
    return new Terms(
        optionalText(node, "session"),
        optionalText(node, "tenant"),
        narrow(node, "priority"),
        node.has("shard") ? OptionalInt.of(narrow(node, "shard")) : OptionalInt.empty(),
        new TimeLimits(
            limit(node, "queue_nanos"), limit(node, "ttft_nanos"), limit(node, "total_nanos")));
  }

  private static Optional<Duration> limit(JsonNode node, String field) {
    return node.has(field) ? Optional.of(Duration.ofNanos(integer(node, field))) : Optional.empty();
  }

  private static Optional<String> optionalText(JsonNode node, String field) {
    return node.has(field) ? Optional.of(text(node, field)) : Optional.empty();
  }

  private static JsonNode need(JsonNode node, String field) {
    JsonNode value = node.get(field);
    if (value == null) {
      throw new IllegalArgumentException("'" + field + "' is missing");
    }
    return value;
  }

  private static String text(JsonNode node, String field) {
    JsonNode value = need(node, field);
    if (!value.isString()) {
      throw new IllegalArgumentException("'" + field + "' is no text");
    }
    return value.asString();
  }

  private static long integer(JsonNode node, String field) {
    JsonNode value = need(node, field);
    if (!value.canConvertToLong() || !value.isNumber()) {
      throw new IllegalArgumentException("'" + field + "' is no whole number");
    }
    return value.asLong();
  }

  private static int narrow(JsonNode node, String field) {
    long value = integer(node, field);
    if (value != (int) value) {
      throw new IllegalArgumentException("'" + field + "' is too large: " + value);
    }
    return (int) value;
  }

  private static double real(JsonNode node, String field) {
    JsonNode value = need(node, field);
    if (!value.isNumber()) {
      throw new IllegalArgumentException("'" + field + "' is no number");
    }
    return value.asDouble();
  }

  private static int[] ints(JsonNode node, String field) {
    JsonNode values = need(node, field);
    int[] ids = new int[values.size()];
    for (int i = 0; i < ids.length; i++) {
      if (!values.get(i).isInt()) {
        throw new IllegalArgumentException("'" + field + "' is no list of whole numbers");
      }
      ids[i] = values.get(i).intValue();
    }
    return ids;
  }
}
