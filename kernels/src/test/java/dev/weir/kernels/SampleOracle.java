package dev.weir.kernels;

import dev.weir.kernels.reference.Philox;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;

/** {@link SampleLayout}'s description in float64, with a full sort and no shortcut. */
final class SampleOracle {
  /** Relative distance to a boundary within which float32 may fall on either side. */
  private static final double DOUBT = 1e-5;

  /**
   * What must be drawn.
   *
   * @param token NO_TOKEN if all are banned
   * @param certain false where rounding may decide otherwise
   */
  record Draw(int token, boolean certain) {}

  private SampleOracle() {}

  static double[] logprobs(float[] logits) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = usable(logit) ? Math.max(max, logit) : max;
    }
    double sum = 0;
    for (float logit : logits) {
      sum += usable(logit) ? Math.exp(logit - max) : 0;
    }
    double[] logprobs = new double[logits.length];
    for (int i = 0; i < logits.length; i++) {
      logprobs[i] = usable(logits[i]) ? logits[i] - max - Math.log(sum) : Double.NEGATIVE_INFINITY;
    }
    return logprobs;
  }

  static Draw draw(SampleRows.Row row) {
    double[] logits = new double[row.logits.length];
    BitSet allowed = row.allowedTokens();
    List<Integer> candidates = new ArrayList<>();
    for (int i = 0; i < logits.length; i++) {
      logits[i] = usable(row.logits[i]) ? row.logits[i] : Double.NEGATIVE_INFINITY;
      logits[i] += row.biases.getOrDefault(i, 0f);
      if (!allowed.get(i)) {
        logits[i] = Double.NEGATIVE_INFINITY;
      }
      if (row.penalties.containsKey(i)) {
        int count = row.penalties.get(i);
        logits[i] = logits[i] > 0 ? logits[i] / row.repetition : logits[i] * row.repetition;
        logits[i] -= (count > 0 ? row.presence : 0) + (double) count * row.frequency;
      }
      if (logits[i] > Double.NEGATIVE_INFINITY) {
        candidates.add(i);
      }
    }
    if (candidates.isEmpty()) {
      return new Draw(SampleLayout.NO_TOKEN, true);
    }
    Comparator<Integer> descending = Comparator.comparingDouble(i -> -logits[i]);
    List<Integer> sorted = new ArrayList<>(candidates);
    sorted.sort(descending.thenComparing(i -> i));
    if (row.temperature == 0) {
      boolean alone =
          sorted.size() == 1
              || logits[sorted.get(0)] == logits[sorted.get(1)]
              || logits[sorted.get(0)] - logits[sorted.get(1)] > DOUBT;
      return new Draw(sorted.getFirst(), alone);
    }

    double[] weights = new double[logits.length];
    double max = logits[sorted.getFirst()];
    for (int i : sorted) {
      weights[i] = Math.exp((logits[i] - max) / row.temperature);
    }
    boolean limited = row.topK != 0 && row.topK < logits.length;
    boolean certain = true;
    List<Integer> kept = candidates;
    if (limited || row.minP > 0 || row.topP < 1) {
      kept = sorted;
      if (limited && row.topK < kept.size()) {
        double gap = weights[kept.get(row.topK - 1)] - weights[kept.get(row.topK)];
        certain &= gap == 0 || gap > DOUBT * weights[kept.get(row.topK)];
        kept = kept.subList(0, row.topK);
      }
      int above = 0;
      for (int i : kept) {
        above += weights[i] >= row.minP ? 1 : 0;
        certain &= Math.abs(weights[i] - row.minP) > DOUBT * row.minP || row.minP == 0;
      }
      kept = kept.subList(0, Math.max(1, above));
      if (row.topP < 1) {
        double total = kept.stream().mapToDouble(i -> weights[i]).sum();
        double cumulative = 0;
        int prefix = 0;
        while (prefix < kept.size() && cumulative < row.topP * total) {
          cumulative += weights[kept.get(prefix++)];
          certain &= Math.abs(cumulative - row.topP * total) > DOUBT * total;
        }
        kept = kept.subList(0, Math.max(1, prefix));
      }
    }
    double total = kept.stream().mapToDouble(i -> weights[i]).sum();
    double target = uniform(row) * total;
    double cumulative = 0;
    for (int i : kept) {
      double next = cumulative + weights[i];
      if (next > target) {
        boolean inside = target - cumulative > DOUBT * total && next - target > DOUBT * total;
        inside |= kept.size() == 1;
        return new Draw(i, certain && inside);
      }
      cumulative = next;
    }
    return new Draw(kept.getLast(), false);
  }

  private static double uniform(SampleRows.Row row) {
    int[] counter = {row.position, 0, 0, 0};
    Philox.permute(counter, (int) row.seed, (int) (row.seed >>> 32));
    return (counter[0] >>> 8) * 0x1p-24;
  }

  private static boolean usable(float logit) {
    return logit < Float.POSITIVE_INFINITY;
  }
}
