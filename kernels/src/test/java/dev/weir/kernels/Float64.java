package dev.weir.kernels;

/** The ops in float64, as their definitions read: what every device must come close to. */
final class Float64 {
  /** The epsilon of every norm under test: Qwen3's. */
  static final float EPSILON = 1e-6f;

  private Float64() {}

  static double[] rmsNorm(double[] row, float[] weight, double epsilon) {
    double squares = 0;
    for (double x : row) {
      squares += x * x;
    }
    double[] out = new double[row.length];
    for (int i = 0; i < row.length; i++) {
      out[i] = row[i] / Math.sqrt(squares / row.length + epsilon) * weight[i];
    }
    return out;
  }

  static double dot(float[] a, int atA, float[] b, int atB, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (double) a[atA + i] * b[atB + i];
    }
    return sum;
  }

  /** One head of one token, normed if wanted, and rotated. */
  static double[] rotated(AttentionRun run, float[] row, int head, int position) {
    int headDim = run.shape.headDim();
    double[] x = new double[headDim];
    for (int i = 0; i < headDim; i++) {
      x[i] = row[position * run.shape.qkvColumns() + head * headDim + i];
    }
    if (run.normed) {
      x = rmsNorm(x, head < run.shape.heads() ? run.queryNorm : run.keyNorm, EPSILON);
    }
    int half = run.rotaryDim / 2;
    for (int i = 0; i < half; i++) {
      double cosine = run.cosines[position * half + i];
      double sine = run.sines[position * half + i];
      double a = x[i];
      double b = x[half + i];
      x[i] = a * cosine - b * sine;
      x[half + i] = b * cosine + a * sine;
    }
    return x;
  }

  /** The finished queries of a sequence, [position * heads + head][element]. */
  static double[][] queries(AttentionRun run, float[] rows) {
    int heads = run.shape.heads();
    double[][] queries = new double[rows.length / run.shape.qkvColumns() * heads][];
    for (int i = 0; i < queries.length; i++) {
      queries[i] = rotated(run, rows, i % heads, i / heads);
    }
    return queries;
  }

  /** The attention of a sequence, [position * heads + head][element]. */
  static double[][] attention(AttentionRun run, float[] rows) {
    AttentionShape shape = run.shape;
    int length = rows.length / shape.qkvColumns();
    int group = shape.heads() / shape.kvHeads();
    double[][] queries = queries(run, rows);
    double[][] out = new double[queries.length][];
    for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead++) {
      double[][] keys = new double[length][];
      double[][] values = new double[length][shape.headDim()];
      int value = (shape.heads() + shape.kvHeads() + kvHead) * shape.headDim();
      for (int p = 0; p < length; p++) {
        keys[p] = rotated(run, rows, shape.heads() + kvHead, p);
        for (int i = 0; i < shape.headDim(); i++) {
          values[p][i] = rows[p * shape.qkvColumns() + value + i];
        }
      }
      for (int p = 0; p < length; p++) {
        for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
          int row = p * shape.heads() + head;
          out[row] = attention(shape, queries[row], keys, values, p);
        }
      }
    }
    return out;
  }

  /** Attention of one token over keys and values of the positions 0 … position. */
  static double[] attention(
      AttentionShape shape, double[] query, double[][] keys, double[][] values, int position) {
    int first = Math.max(0, position - shape.window() + 1);
    double[] scores = new double[position + 1];
    double max = Double.NEGATIVE_INFINITY;
    for (int p = first; p <= position; p++) {
      double score = 0;
      for (int i = 0; i < query.length; i++) {
        score += query[i] * keys[p][i];
      }
      score *= shape.scale();
      if (shape.softCap() != 0) {
        score = shape.softCap() * Math.tanh(score / shape.softCap());
      }
      scores[p] = score;
      max = Math.max(max, score);
    }
    double sum = 0;
    double[] out = new double[query.length];
    for (int p = first; p <= position; p++) {
      double weight = Math.exp(scores[p] - max);
      sum += weight;
      for (int i = 0; i < out.length; i++) {
        out[i] += weight * values[p][i];
      }
    }
    for (int i = 0; i < out.length; i++) {
      out[i] /= sum;
    }
    return out;
  }
}
