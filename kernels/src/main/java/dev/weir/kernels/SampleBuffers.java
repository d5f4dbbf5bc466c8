package dev.weir.kernels;

/**
 * The inputs of one {@link Kernels#sample} call; formats in {@link SampleLayout}.
 *
 * @param rows [R] parameter rows
 * @param biases pairs (I32 token, F32 bias), referred to by rows
 * @param penalties pairs (I32 token, I32 occurrences in the output), referred to by rows
 * @param masks I32 words, bit {@code token % 32} of word {@code token / 32} allows a token;
 *     referred to by rows
 */
public record SampleBuffers(Buffer rows, Buffer biases, Buffer penalties, Buffer masks) {}
