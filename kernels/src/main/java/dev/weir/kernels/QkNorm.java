package dev.weir.kernels;

/**
 * RMS norm over each query and key head before rotation (Qwen3): F32 weights [headDim], shared by
 * all heads.
 *
 * @param epsilon added to the mean square
 */
public record QkNorm(Buffer query, Buffer key, float epsilon) {}
