package dev.weir.engine.request;

/**
 * What a shard holds at one moment.
 *
 * @param number from 0, over all devices
 * @param device number of its device, from 0
 * @param deviceName what computes there, for people
 * @param open whether it takes requests; false once its device is lost
 * @param blocks KV blocks of its quota
 * @param heldBlocks blocks that sequences hold
 * @param leasedBlocks blocks that idle sessions keep by lease
 * @param cachedBlocks all blocks that nobody holds and that could be found again, leased ones too
 * @param running sequences that run here
 */
public record ShardStats(
    int number,
    int device,
    String deviceName,
    boolean open,
    int blocks,
    int heldBlocks,
    int leasedBlocks,
    int cachedBlocks,
    int running) {}
