package dev.weir.engine.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * One tokenizer of the native library: a handle that cannot be used after it is freed. Safe for any
 * number of threads at once.
 */
final class NativeTokenizer implements AutoCloseable {

  private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;

  /** Encoders read, {@link #close} writes: the handle is never freed under an encode. */
  private final ReadWriteLock inUse = new ReentrantReadWriteLock();

  private final long handle;
  private boolean closed;

  /**
   * @throws RuntimeException the library's own message, where it refuses {@code json}
   */
  NativeTokenizer(String json) {
    NativeLibrary.load();
    handle = LIBRARY.createTokenizerFromString(json);
    // A tokenizer.json may carry the truncation and padding of somebody's training run.
    LIBRARY.disableTruncation(handle);
    LIBRARY.disablePadding(handle);
  }

  /** Token ids of well-formed {@code text}; with the post-processor's BOS/EOS where asked. */
  int[] encode(String text, boolean addSpecialTokens) {
    inUse.readLock().lock();
    try {
      requireOpen();
      long encoding = LIBRARY.encode(handle, text, addSpecialTokens);
      try {
        return toInts(LIBRARY.getTokenIds(encoding));
      } finally {
        LIBRARY.deleteEncoding(encoding);
      }
    } finally {
      inUse.readLock().unlock();
    }
  }

  @Override
  public void close() {
    inUse.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        LIBRARY.deleteTokenizer(handle);
      }
    } finally {
      inUse.writeLock().unlock();
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the tokenizer is closed");
    }
  }

  private static int[] toInts(long[] ids) {
    int[] result = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      result[i] = Math.toIntExact(ids[i]);
    }
    return result;
  }
}
