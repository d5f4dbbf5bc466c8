package dev.weir.server.protocol;

/**
 * What a request's sampling is where it says nothing: OpenAI's values, or what the model's makers
 * suggest.
 *
 * @param temperature as in the request
 * @param topK 0 keeps all tokens
 * @param topP as in the request
 * @param minP as in the request
 * @param repetitionPenalty 1 is off
 */
public record SamplingDefaults(
    float temperature, int topK, float topP, float minP, float repetitionPenalty) {
  /** Temperature 1 and nothing cut off. */
  public static final SamplingDefaults OPENAI = new SamplingDefaults(1, 0, 1, 0, 1);
}
