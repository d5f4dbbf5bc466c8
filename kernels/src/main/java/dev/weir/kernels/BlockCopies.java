package dev.weir.kernels;

import java.lang.foreign.MemorySegment;

/**
 * Copies of whole KV blocks beside one device's steps: to host memory, from there, and from another
 * device. A call enqueues a copy and returns; no step ever waits for one. Used by the step thread.
 *
 * <ul>
 *   <li>Copies of one device are done in the order of the calls, at any time from the call on. A
 *       copy <i>into</i> a block of this device begins after all steps and ops that were called
 *       before it: one of them may still write into a block that has changed hands since.
 *   <li>A source holds its final contents: the host has seen the end of whatever wrote them, and
 *       nobody writes it until the copy is done.
 *   <li>Nobody touches what is copied to, and nobody frees either end, until the host has seen the
 *       end of the copy: a completion that was given to {@link #submit} after the call, awaited or
 *       found done. Steps that are called from then on see the copied block.
 * </ul>
 *
 * <p>On a device whose ops are done when they return, a call takes the time of the copy: there the
 * caller hands in few at a time.
 *
 * <p>A device that is lost throws {@link DeviceLostException} at the call or, for a fault of the
 * copy itself, where its completion is asked. {@link Device#lost} tells which end it was.
 */
public interface BlockCopies {

  /**
   * Copies a block to host memory.
   *
   * @param hostBlock one block's bytes, a part of {@link Device#hostMemory} of any device
   * @throws IllegalArgumentException if {@code hostBlock} has another length, or is not native
   * @throws IndexOutOfBoundsException if the arena has no such block
   */
  void toHost(KvArena source, int block, MemorySegment hostBlock);

  /** Copies a block from host memory; the rest as for {@link #toHost}. */
  void fromHost(MemorySegment hostBlock, KvArena destination, int block);

  /**
   * Copies a block from another device of the same kind, or from this one. The source's steps do
   * not wait either.
   *
   * @param peer whose arena {@code source} is; it stays open until the copy is done
   * @throws IllegalArgumentException if the devices keep blocks in different forms
   * @throws IndexOutOfBoundsException if an arena has no such block
   */
  void fromPeer(Device peer, KvArena source, int sourceBlock, KvArena destination, int block);

  /**
   * Marks the end of all copies so far.
   *
   * @param completion of {@link Device#completion} of this device
   */
  void submit(Completion completion);
}
