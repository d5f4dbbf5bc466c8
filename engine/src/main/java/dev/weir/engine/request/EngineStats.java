package dev.weir.engine.request;

/**
 * What the engine has done and holds, read at one moment. Totals only grow; the rest are levels.
 *
 * @param steps steps computed
 * @param stepNanos time spent computing them
 * @param hostNanos time the step thread worked for them, the computing and the waiting aside
 * @param exposedNanos of this, time in which the device had nothing to do
 * @param prefillTokens prompt tokens computed
 * @param decodeTokens tokens drawn
 * @param promptTokens tokens of the prompts of admitted requests
 * @param cachedTokens of these, tokens whose KV was found in the prefix index
 * @param requests requests taken
 * @param rejected requests refused because the queue was full
 * @param cancelled choices that ended by cancellation
 * @param failed choices that ended in a failure
 * @param preemptions sequences that lost their blocks and started over
 * @param running sequences that hold a slot
 * @param waiting sequences that wait for one
 * @param blocks KV blocks in all
 * @param heldBlocks blocks that sequences hold
 * @param cachedBlocks blocks that only the prefix index holds
 * @param heartbeatAgeNanos time since the step loop last went round; large while a step is stuck
 */
public record EngineStats(
    long steps,
    long stepNanos,
    long hostNanos,
    long exposedNanos,
    long prefillTokens,
    long decodeTokens,
    long promptTokens,
    long cachedTokens,
    long requests,
    long rejected,
    long cancelled,
    long failed,
    long preemptions,
    int running,
    int waiting,
    int blocks,
    int heldBlocks,
    int cachedBlocks,
    long heartbeatAgeNanos) {}
