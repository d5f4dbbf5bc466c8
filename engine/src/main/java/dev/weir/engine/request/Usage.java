package dev.weir.engine.request;

/**
 * What a request took.
 *
 * @param promptTokens tokens of the prompt
 * @param cachedTokens tokens of the prompt whose KV was already there for the first choice
 * @param outputTokens tokens drawn, over all choices
 */
public record Usage(int promptTokens, int cachedTokens, int outputTokens) {}
