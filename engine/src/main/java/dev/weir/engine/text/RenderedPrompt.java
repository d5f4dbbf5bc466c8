package dev.weir.engine.text;

/**
 * A conversation as the model reads it.
 *
 * @param text as the template rendered it, for logs and tests: encoding it again could read control
 *     tokens out of message text, which {@code tokenIds} does not
 * @param tokenIds what the model is given
 */
@SuppressWarnings("ArrayRecordComponent") // handed on, never compared
public record RenderedPrompt(String text, int[] tokenIds) {}
