package dev.weir.engine.model;

/** Hears how far loading is. Called from the loading thread. */
@FunctionalInterface
public interface LoadProgress {

  /** Tells nobody. */
  LoadProgress SILENT = (loaded, total) -> {};

  /**
   * @param loaded bytes of weights packed so far
   * @param total bytes of weights in all
   */
  void loaded(long loaded, long total);
}
