package dev.weir.engine.request;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * How the tokens of a request are chosen, and when it ends. Made by {@link #builder}; every value
 * is checked when the record is made.
 *
 * @param temperature 0 (greedy) to {@value #MAX_TEMPERATURE}
 * @param topK keep the k likeliest tokens; 0 keeps all
 * @param topP keep the likeliest tokens until their probability reaches this, in (0, 1]
 * @param minP keep tokens at least this fraction as likely as the likeliest, in [0, 1]
 * @param repetitionPenalty &gt; 0; 1 is off; applies to tokens of the prompt and the output
 * @param presencePenalty -2 to 2; for tokens that occurred in the output
 * @param frequencyPenalty -2 to 2; per occurrence in the output
 * @param logitBias added to the logits of tokens, -100 to 100 each
 * @param seed the key of the random numbers; absent: drawn afresh. The same seed gives the same
 *     tokens, whatever else the engine does
 * @param maxTokens the most tokens to generate; cut to what the context leaves
 * @param minTokens no stop token is drawn before this many
 * @param stopTokenIds end the request, beside the model's own end-of-sequence tokens
 * @param stopStrings end the request where the text shows one of them; the text is cut before it
 * @param ignoreEos whether the model's own end-of-sequence tokens do not end the request
 * @param logprobs how many alternatives to report per token, 0 to {@value #MAX_LOGPROBS}; {@link
 *     #NO_LOGPROBS}: nothing
 */
public record Sampling(
    float temperature,
    int topK,
    float topP,
    float minP,
    float repetitionPenalty,
    float presencePenalty,
    float frequencyPenalty,
    Map<Integer, Float> logitBias,
    OptionalLong seed,
    int maxTokens,
    int minTokens,
    List<Integer> stopTokenIds,
    List<String> stopStrings,
    boolean ignoreEos,
    int logprobs) {

  /** Beyond this a distribution is flat for every purpose, and logits would underflow. */
  public static final float MAX_TEMPERATURE = 100;

  /** OpenAI's range of presence and frequency penalties. */
  public static final float MAX_PENALTY = 2;

  /** OpenAI's range of logit biases. */
  public static final float MAX_BIAS = 100;

  /** The most biased tokens of a request. */
  public static final int MAX_BIASES = 1024;

  /** The most stop tokens, and the most stop strings, of a request; OpenAI allows 4 strings. */
  public static final int MAX_STOPS = 16;

  /** The longest stop string, in UTF-16 units: so much text may be held back for it. */
  public static final int MAX_STOP_LENGTH = 1024;

  /** The most alternatives reported per token: what OpenAI's API allows. */
  public static final int MAX_LOGPROBS = 20;

  /** No logprobs are reported. */
  public static final int NO_LOGPROBS = -1;

  public Sampling {
    check(
        temperature >= 0 && temperature <= MAX_TEMPERATURE,
        "temperature",
        temperature,
        "from 0 to " + MAX_TEMPERATURE);
    check(topK >= 0, "top_k", topK, "at least 0 (0 keeps all tokens)");
    check(topP > 0 && topP <= 1, "top_p", topP, "above 0 and at most 1");
    check(minP >= 0 && minP <= 1, "min_p", minP, "from 0 to 1");
    check(
        repetitionPenalty > 0 && repetitionPenalty <= MAX_TEMPERATURE,
        "repetition_penalty",
        repetitionPenalty,
        "above 0 and at most " + MAX_TEMPERATURE);
    check(
        Math.abs(presencePenalty) <= MAX_PENALTY,
        "presence_penalty",
        presencePenalty,
        "from -2 to 2");
    check(
        Math.abs(frequencyPenalty) <= MAX_PENALTY,
        "frequency_penalty",
        frequencyPenalty,
        "from -2 to 2");
    check(
        logitBias.size() <= MAX_BIASES,
        "logit_bias",
        logitBias.size() + " entries",
        "at most " + MAX_BIASES + " entries");
    logitBias.forEach(
        (token, bias) ->
            check(Math.abs(bias) <= MAX_BIAS, "logit_bias." + token, bias, "from -100 to 100"));
    check(maxTokens >= 1, "max_tokens", maxTokens, "at least 1");
    check(
        minTokens >= 0 && minTokens <= maxTokens,
        "min_tokens",
        minTokens,
        "from 0 to max_tokens (" + maxTokens + ")");
    check(
        stopTokenIds.size() <= MAX_STOPS,
        "stop_token_ids",
        stopTokenIds.size() + " entries",
        "at most " + MAX_STOPS + " entries");
    check(
        stopStrings.size() <= MAX_STOPS,
        "stop",
        stopStrings.size() + " entries",
        "at most " + MAX_STOPS + " entries");
    for (String stop : stopStrings) {
      check(
          !stop.isEmpty() && stop.length() <= MAX_STOP_LENGTH,
          "stop",
          "a string of length " + stop.length(),
          "1 to " + MAX_STOP_LENGTH + " characters each");
    }
    check(
        logprobs >= NO_LOGPROBS && logprobs <= MAX_LOGPROBS,
        "logprobs",
        logprobs,
        "from 0 to " + MAX_LOGPROBS);
    logitBias = Map.copyOf(logitBias);
    stopTokenIds = List.copyOf(stopTokenIds);
    stopStrings = List.copyOf(stopStrings);
  }

  private static void check(boolean holds, String parameter, Object found, String wanted) {
    if (!holds) { // NaN fails every comparison above, and so ends here
      throw new InvalidRequestException(
          parameter, parameter + " is " + found + ", must be " + wanted);
    }
  }

  /** This sampling with a seed. */
  public Sampling withSeed(long value) {
    return with(OptionalLong.of(value), maxTokens, stopStrings);
  }

  /** This sampling with another {@link #maxTokens}; no less than {@link #minTokens}. */
  public Sampling withMaxTokens(int value) {
    return with(seed, value, stopStrings);
  }

  /** This sampling without {@link #stopStrings}. */
  public Sampling withoutStopStrings() {
    return with(seed, maxTokens, List.of());
  }

  private Sampling with(OptionalLong newSeed, int newMaxTokens, List<String> newStopStrings) {
    return new Sampling(
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        presencePenalty,
        frequencyPenalty,
        logitBias,
        newSeed,
        newMaxTokens,
        minTokens,
        stopTokenIds,
        newStopStrings,
        ignoreEos,
        logprobs);
  }

  /**
   * The seed of one choice of a request: SplitMix64 (Steele, Lea and Flood 2014) steps the
   * request's seed to it; choice 0 keeps it.
   */
  public static long choiceSeed(long seed, int choice) {
    if (choice == 0) {
      return seed;
    }
    long mixed = seed + choice * 0x9E3779B97F4A7C15L;
    mixed = (mixed ^ (mixed >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }

  /** Whether any penalty is on, so that occurrences must be counted. */
  public boolean penalised() {
    return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0;
  }

  /** Greedy, with nothing else set. */
  public static Sampling greedy(int maxTokens) {
    return builder().temperature(0).maxTokens(maxTokens).build();
  }

  /** Temperature 1, nothing cut off, {@link Builder#DEFAULT_MAX_TOKENS} tokens. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects the values; {@link #build} checks them. */
  public static final class Builder {
    /** What OpenAI's completions endpoint generates where a request says nothing. */
    public static final int DEFAULT_MAX_TOKENS = 16;

    private float temperature = 1;
    private int topK;
    private float topP = 1;
    private float minP;
    private float repetitionPenalty = 1;
    private float presencePenalty;
    private float frequencyPenalty;
    private Map<Integer, Float> logitBias = Map.of();
    private OptionalLong seed = OptionalLong.empty();
    private int maxTokens = DEFAULT_MAX_TOKENS;
    private int minTokens;
    private List<Integer> stopTokenIds = List.of();
    private List<String> stopStrings = List.of();
    private boolean ignoreEos;
    private int logprobs = NO_LOGPROBS;

    private Builder() {}

    public Builder temperature(float value) {
      temperature = value;
      return this;
    }

    public Builder topK(int value) {
      topK = value;
      return this;
    }

    public Builder topP(float value) {
      topP = value;
      return this;
    }

    public Builder minP(float value) {
      minP = value;
      return this;
    }

    public Builder repetitionPenalty(float value) {
      repetitionPenalty = value;
      return this;
    }

    public Builder presencePenalty(float value) {
      presencePenalty = value;
      return this;
    }

    public Builder frequencyPenalty(float value) {
      frequencyPenalty = value;
      return this;
    }

    public Builder logitBias(Map<Integer, Float> value) {
      logitBias = value;
      return this;
    }

    public Builder seed(long value) {
      seed = OptionalLong.of(value);
      return this;
    }

    public Builder maxTokens(int value) {
      maxTokens = value;
      return this;
    }

    public Builder minTokens(int value) {
      minTokens = value;
      return this;
    }

    public Builder stopTokenIds(List<Integer> value) {
      stopTokenIds = value;
      return this;
    }

    public Builder stopStrings(List<String> value) {
      stopStrings = value;
      return this;
    }

    public Builder ignoreEos(boolean value) {
      ignoreEos = value;
      return this;
    }

    public Builder logprobs(int value) {
      logprobs = value;
      return this;
    }

    /**
     * The record.
     *
     * @throws InvalidRequestException naming the first value that is out of range
     */
    public Sampling build() {
      return new Sampling(
          temperature,
          topK,
          topP,
          minP,
          repetitionPenalty,
          presencePenalty,
          frequencyPenalty,
          logitBias,
          seed,
          maxTokens,
          minTokens,
          stopTokenIds,
          stopStrings,
          ignoreEos,
          logprobs);
    }
  }
}
