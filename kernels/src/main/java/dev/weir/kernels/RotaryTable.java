package dev.weir.kernels;

/**
 * Rotary embedding, tabulated: F32 {@code cosines}, {@code sines} [positions][rotaryDim/2], scaling
 * included. Element i of a head is rotated with element i + rotaryDim/2 (the half-split form of
 * Hugging Face checkpoints); elements from rotaryDim on pass unrotated.
 *
 * @param positions how many positions the table holds
 * @param rotaryDim rotated elements of a head, even
 */
public record RotaryTable(Buffer cosines, Buffer sines, int positions, int rotaryDim) {}
