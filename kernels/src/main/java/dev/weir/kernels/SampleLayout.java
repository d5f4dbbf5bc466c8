package dev.weir.kernels;

/**
 * The memory formats of {@link Kernels#sample}, little-endian, shared by Java, C and CUDA; and what
 * the op means.
 *
 * <p>For each row, from its raw logits:
 *
 * <ol>
 *   <li>Raw logprobs: {@code logits - logsumexp(logits)}, before any of what follows, F32. The
 *       chosen token's, and the {@code logprobs} largest (ties: the smaller id first), are
 *       reported.
 *   <li>Biases are added (minus infinity bans a token); tokens outside the mask are banned.
 *   <li>Repetition: a listed token's logit is divided by {@code repetition} if positive, else
 *       multiplied (CTRL, Keskar et al. 2019). Then {@code presence} (once, if it occurred in the
 *       output) and {@code frequency} (per occurrence in the output) are subtracted.
 *   <li>Temperature 0: the largest logit wins, the smaller id on a tie. Otherwise logits are
 *       divided by it.
 *   <li>Candidates are ordered by logit, descending, then by id. Kept are the first {@code topK},
 *       if it is not 0; of these those whose probability is at least {@code minP} times the
 *       largest; of these the shortest prefix whose probability, renormalised over what was kept,
 *       reaches {@code topP}. At least one stays.
 *   <li>One of the kept is drawn in proportion to its probability by inverting the cumulative sum
 *       with one uniform number {@code u = (philox >>> 8) * 2^-24}: the first word of Philox4x32-10
 *       (Salmon et al. 2011) with counter (position, 0, 0, 0) and key (low, high word of the seed).
 *       The sum runs in the candidates' order; where no filter is set ({@code topK} 0 or the whole
 *       vocabulary, {@code minP} 0, {@code topP} 1) by id.
 * </ol>
 *
 * <p>A logit that is not a number or plus infinity counts as banned, in the raw logprobs too. If
 * all are banned the token is {@link #NO_TOKEN}, and the request fails with an error. Pairs whose
 * token is outside the vocabulary are ignored.
 */
public final class SampleLayout {
  private SampleLayout() {}

  /** Bytes of a parameter row. */
  public static final int ROW_BYTES = 64;

  /** F32: 0 is greedy. */
  public static final int TEMPERATURE = 0;

  /** F32 in (0, 1]; 1 is off. */
  public static final int TOP_P = 4;

  /** F32 in [0, 1]; 0 is off. */
  public static final int MIN_P = 8;

  /** I32; 0 is off. */
  public static final int TOP_K = 12;

  /** F32 &gt; 0; 1 is off. */
  public static final int REPETITION = 16;

  /** F32; 0 is off. */
  public static final int PRESENCE = 20;

  /** F32; 0 is off. */
  public static final int FREQUENCY = 24;

  /**
   * I32: how many of the largest raw logprobs to report, 0 … {@link #MAX_LOGPROBS}; -1: not even
   * the chosen one.
   */
  public static final int LOGPROBS = 28;

  /** I64: the generator's key. */
  public static final int SEED = 32;

  /** I32: the generator's counter, the absolute position of the token that is drawn. */
  public static final int POSITION = 40;

  /** I32: first pair in {@link SampleBuffers#biases}. */
  public static final int BIAS_OFFSET = 44;

  /** I32: pairs. */
  public static final int BIAS_COUNT = 48;

  /** I32: first pair in {@link SampleBuffers#penalties}. */
  public static final int PENALTY_OFFSET = 52;

  /** I32: pairs. */
  public static final int PENALTY_COUNT = 56;

  /** I32: first word in {@link SampleBuffers#masks}; -1: every token is allowed. */
  public static final int MASK_OFFSET = 60;

  /** The most logprobs a row can report: what OpenAI's API allows. */
  public static final int MAX_LOGPROBS = 20;

  /** I32: the drawn token. */
  public static final int RESULT_TOKEN = 0;

  /** F32: its raw logprob; NaN where not asked for or where there is no token. */
  public static final int RESULT_LOGPROB = 4;

  /**
   * I32 [MAX_LOGPROBS]: tokens of the largest raw logprobs, descending; {@link #NO_TOKEN} where
   * fewer tokens have a finite one. Of these and the next only as many as asked for are written.
   */
  public static final int RESULT_TOP_TOKENS = 8;

  /** F32 [MAX_LOGPROBS]: their raw logprobs. */
  public static final int RESULT_TOP_LOGPROBS = RESULT_TOP_TOKENS + 4 * MAX_LOGPROBS;

  /** Bytes of a result row: padded to whole cache lines, so that threads do not share one. */
  public static final int RESULT_BYTES = 192;

  /** The result where no token can be drawn. */
  public static final int NO_TOKEN = -1;
}
