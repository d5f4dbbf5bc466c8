package dev.weir.engine.request;

/**
 * A step that was computed.
 *
 * @param number of the step, from 0, over all devices, in the order in which they ended
 * @param device which device
 * @param endNanos when it ended, on the engine's clock, whose origin is arbitrary
 * @param nanos how long the device took
 * @param predictedNanos how long the cost model had expected
 * @param decodeNanos how long the model expects its decode rows alone to take
 * @param decodeRows its decode rows
 * @param prefillTokens its prompt tokens
 * @param prefills how many prompts these were of
 */
public record StepRecord(
    long number,
    int device,
    long endNanos,
    long nanos,
    long predictedNanos,
    long decodeNanos,
    int decodeRows,
    int prefillTokens,
    int prefills) {}
