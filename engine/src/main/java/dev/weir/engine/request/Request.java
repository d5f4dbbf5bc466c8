package dev.weir.engine.request;

/**
 * One request: a prompt, how to go on from it, and how many times.
 *
 * @param prompt what to go on from
 * @param sampling how
 * @param choices how many continuations, 1 to {@value #MAX_CHOICES}; they share the prompt's KV
 *     blocks, and choice i draws with a seed of its own, derived from the request's
 * @param skipSpecialTokens whether control tokens are left out of the text of events (their ids are
 *     always there)
 * @param terms whose it is, where it should run, and for how long
 */
public record Request(
    Prompt prompt, Sampling sampling, int choices, boolean skipSpecialTokens, Terms terms) {

  /** The most continuations of one request. */
  public static final int MAX_CHOICES = 128;

  public Request {
    if (choices < 1 || choices > MAX_CHOICES) {
      throw new InvalidRequestException(
          "n", "n is " + choices + ", must be from 1 to " + MAX_CHOICES);
    }
  }

  /** On the default terms. */
  public Request(Prompt prompt, Sampling sampling, int choices, boolean skipSpecialTokens) {
    this(prompt, sampling, choices, skipSpecialTokens, Terms.DEFAULT);
  }

  /** This request on other terms. */
  public Request withTerms(Terms value) {
    return new Request(prompt, sampling, choices, skipSpecialTokens, value);
  }

  /** One continuation. */
  public static Request of(Prompt prompt, Sampling sampling) {
    return new Request(prompt, sampling, 1, true);
  }
}
