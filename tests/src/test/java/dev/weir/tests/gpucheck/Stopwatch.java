package dev.weir.tests.gpucheck;

import dev.weir.kernels.cuda.CudaStopwatch;

/** Times ops by the device's own clock where it has one. */
interface Stopwatch {

  /**
   * Readies ops for being run again and again; they leave nothing behind that changes a later run.
   */
  Timed ready(Runnable ops);

  /** Ops that are ready. */
  interface Timed extends AutoCloseable {
    /** Runs them and waits; seconds from their start to their end on the device. */
    double seconds();

    @Override
    void close();
  }

  /** A GPU's own. */
  static Stopwatch of(CudaStopwatch cuda) {
    return ops -> {
      CudaStopwatch.Recording recording = cuda.record(ops);
      return new Timed() {
        @Override
        public double seconds() {
          return recording.seconds();
        }

        @Override
        public void close() {
          recording.close();
        }
      };
    };
  }

  /** Of a device whose ops are done when they return. */
  static Stopwatch wall() {
    return ops ->
        new Timed() {
          @Override
          public double seconds() {
            long start = System.nanoTime();
            ops.run();
            return (System.nanoTime() - start) / 1e9;
          }

          @Override
          public void close() {}
        };
  }
}
