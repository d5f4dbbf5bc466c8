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
 * @param rejected requests refused because the queue was full, or predicted to take too long
 * @param cancelled choices that ended by cancellation
 * @param failed choices that ended in a failure
 * @param preemptions sequences that lost their blocks and started over
 * @param copiedTokens prompt tokens whose KV was copied from another device
 * @param restoredTokens prompt tokens whose KV was copied back from host memory
 * @param evictedTokens tokens that were computed again because their KV had been given away
 * @param spilledBlocks KV blocks copied to host memory
 * @param stalledNanos time that others' prompts added to decode rows' steps, over all rows
 * @param timedOutInQueue requests that waited for too long
 * @param timedOutBeforeFirstToken choices that took too much of the engine's time to their first
 *     token
 * @param timedOut choices that took too much of the engine's time
 * @param missedByFloor steps that took longer than the latency target because a prompt had waited
 *     for as many steps as its floor allows
 * @param missedByWorstStep steps that took longer than the worst step may because even the floor
 *     chunk does
 * @param running sequences that hold a slot
 * @param waiting sequences that wait for one
 * @param blocks KV blocks in all
 * @param heldBlocks blocks that sequences hold
 * @param cachedBlocks blocks that only the prefix index holds
 * @param hostBlocks KV blocks of host memory in all
 * @param hostCachedBlocks of these, blocks that hold somebody's idle context
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
    long copiedTokens,
    long restoredTokens,
    long evictedTokens,
    long spilledBlocks,
    long stalledNanos,
    long timedOutInQueue,
    long timedOutBeforeFirstToken,
    long timedOut,
    long missedByFloor,
    long missedByWorstStep,
    int running,
    int waiting,
    int blocks,
    int heldBlocks,
    int cachedBlocks,
    int hostBlocks,
    int hostCachedBlocks,
    long heartbeatAgeNanos) {}
