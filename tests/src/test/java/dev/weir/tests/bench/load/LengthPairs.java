package dev.weir.tests.bench.load;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Lengths of a prompt and its answer, in tokens. */
sealed interface LengthPairs {

  /** One prompt's and its answer's. */
  record Pair(int prompt, int answer) {
    public Pair {
      if (prompt < 1 || answer < 1) {
        throw new IllegalArgumentException("no lengths: " + prompt + ", " + answer);
      }
    }
  }

  Pair draw(Random random);

  /** Drawn by themselves. */
  record Independent(Lengths prompt, Lengths answer) implements LengthPairs {
    @Override
    public Pair draw(Random random) {
      return new Pair(prompt.draw(random), answer.draw(random));
    }
  }

  /** Drawn from what was seen together. */
  record Seen(List<Pair> pairs) implements LengthPairs {
    /** Names that recorded workloads give the two lengths. */
    private static final List<String> PROMPT = List.of("prompt_tokens", "input_length");

    private static final List<String> ANSWER =
        List.of("completion_tokens", "output_tokens", "output_length");

    /** Lines that are read of a file. */
    private static final int MOST = 1_000_000;

    @Override
    public Pair draw(Random random) {
      return pairs.get(random.nextInt(pairs.size()));
    }

    /**
     * Reads a file with one JSON object per line, for example {@code {"prompt_tokens": 512,
     * "completion_tokens": 64}}; {@code input_length} and {@code output_length} are known too.
     *
     * @throws IllegalArgumentException if a line has no such lengths
     */
    static Seen read(Path file) throws IOException {
      List<Pair> pairs = new ArrayList<>();
      for (String line : Files.readAllLines(file)) {
        if (!line.isBlank() && pairs.size() < MOST) {
          pairs.add(parse(line));
        }
      }
      if (pairs.isEmpty()) {
        throw new IllegalArgumentException(file + ": holds no lengths");
      }
      return new Seen(List.copyOf(pairs));
    }

    private static Pair parse(String line) {
      try {
        JsonNode node = JsonMapper.shared().readTree(line);
        return new Pair(length(node, PROMPT), length(node, ANSWER));
      } catch (JacksonException wrong) {
        throw new IllegalArgumentException("not JSON: " + line, wrong);
      }
    }

    private static int length(JsonNode node, List<String> names) {
      return names.stream()
          .filter(name -> node.path(name).isInt())
          .findFirst()
          .map(name -> node.path(name).asInt())
          .orElseThrow(() -> new IllegalArgumentException("none of " + names + " is in " + node));
    }
  }
}
