package dev.weir.server.protocol;

/**
 * What must be known of the model to read a request for it.
 *
 * @param vocabularySize token ids are below it
 * @param contextLength longest sequence, prompt and output together, in tokens
 * @param shards a request may be pinned to one below it
 * @param defaults sampling where a request says nothing
 */
public record ModelFacts(
    int vocabularySize, int contextLength, int shards, SamplingDefaults defaults) {}
