package dev.weir.kernels;

/**
 * The largest step that a device will be asked for, so that it can set its scratch memory aside.
 *
 * @param tokens the most tokens of a step
 * @param slices the most slices of a step
 * @param samples the most sampled rows of a step
 * @param positions the longest sequence
 * @param attention the widest attention of a layer
 * @param vocabulary columns of the logits
 * @param activation the element type of activations
 */
public record StepLimits(
    int tokens,
    int slices,
    int samples,
    int positions,
    AttentionShape attention,
    int vocabulary,
    DType activation) {}
