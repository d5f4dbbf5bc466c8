package dev.weir.engine.request;

/**
 * What is known of a session that has had a turn.
 *
 * @param id what requests call it
 * @param activeRequests its requests that wait or run; while there are any its KV stays
 * @param turns its requests so far
 * @param tokens how long its context was when its last turn ended
 * @param deviceTokens of these, tokens whose KV lies on a device
 * @param hostTokens of these, tokens whose KV lies in host memory only
 * @param shard where its last turn ran; negative: none has yet
 * @param idleNanos since its last turn ended; 0 while it is active
 * @param leaseNanos for how long its KV is spared before others'; 0 once the lease has run out, or
 *     the KV is gone all the same
 */
public record SessionInfo(
    String id,
    int activeRequests,
    long turns,
    int tokens,
    int deviceTokens,
    int hostTokens,
    int shard,
    long idleNanos,
    long leaseNanos) {}
