package dev.weir.kernels;

import java.lang.foreign.MemorySegment;

/**
 * Memory that the host and the device exchange once per step. On a device that computes in host
 * memory both sides are the same bytes and {@link Device#upload} costs nothing; elsewhere {@code
 * host} is pinned and {@code device} its twin.
 *
 * @param host the host's side, written and read by the step thread
 * @param device the device's side, read and written by kernels
 */
public record Staging(MemorySegment host, Buffer device) {}
