package dev.weir.kernels.cuda;

import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.RotaryTable;
import dev.weir.kernels.SampleBuffers;
import dev.weir.kernels.SampleChecks;
import dev.weir.kernels.StepChecks;
import dev.weir.kernels.StepInputs;
import java.util.ArrayList;
import java.util.List;

/**
 * What the ops of a program ask of a step, gathered while the program calls them, and checked of
 * every step before the program is replayed: once per step, not once per layer. A check allocates
 * nothing.
 */
final class StepRules {
  private record Cached(AttentionShape shape, KvArena cache) {}

  private record Rotated(AttentionShape shape, RotaryTable table) {}

  private record Sampled(int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {}

  /** Any layer is as good: that it is one of the cache's was checked when the rule was gathered. */
  private static final int FIRST_LAYER = 0;

  private final List<Cached> cached = new ArrayList<>();
  private final List<Rotated> rotated = new ArrayList<>();
  private final List<Sampled> sampled = new ArrayList<>();
  private final List<Integer> vocabularies = new ArrayList<>();
  private boolean samplesRows;

  /** An op writes or reads this layer of the cache for the step's tokens. */
  void cached(AttentionShape shape, KvArena cache, int layer) {
    if (layer < 0 || layer >= cache.shape().layers()) {
      throw new IllegalArgumentException("this step cannot be computed: layer is " + layer);
    }
    add(cached, new Cached(shape, cache));
  }

  /** An op rotates by the step's positions. */
  void rotated(AttentionShape shape, RotaryTable table) {
    add(rotated, new Rotated(shape, table));
  }

  /** An op reads the rows that the step samples. */
  void samplesRows() {
    samplesRows = true;
  }

  /** An op looks the step's tokens up. */
  void inVocabulary(int vocabulary) {
    add(vocabularies, vocabulary);
  }

  /** An op draws the step's samples. */
  void sampled(int vocabulary, Buffer logits, SampleBuffers parameters, Buffer results) {
    add(sampled, new Sampled(vocabulary, logits, parameters, results));
  }

  private static <T> void add(List<T> rules, T rule) {
    if (!rules.contains(rule)) {
      rules.add(rule);
    }
  }

  /**
   * Checks a step, with its true counts.
   *
   * @throws IllegalArgumentException naming the first number that is wrong
   */
  void check(StepInputs step) {
    for (int i = 0; i < vocabularies.size(); i++) {
      StepChecks.inVocabulary(step, vocabularies.get(i));
    }
    for (int i = 0; i < cached.size(); i++) {
      Cached rule = cached.get(i);
      StepChecks.cached(step, rule.shape(), rule.cache(), FIRST_LAYER);
    }
    for (int i = 0; i < rotated.size(); i++) {
      Rotated rule = rotated.get(i);
      StepChecks.rotated(step, rule.shape(), rule.table());
    }
    if (samplesRows) {
      StepChecks.sampled(step);
    }
    for (int i = 0; i < sampled.size(); i++) {
      Sampled rule = sampled.get(i);
      SampleChecks.sampled(
          step.samples(), rule.vocabulary(), rule.logits(), rule.parameters(), rule.results());
    }
  }
}
