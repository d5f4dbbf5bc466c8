package dev.weir.tests.gpucheck;

import java.util.List;

/**
 * The op tests that a real model's shapes need a GPU for; small shapes of the same kind in a smoke
 * run.
 */
final class RealShapes {
  /** Asks the kernels' tests for them. */
  private static final String PROPERTY = "weir.test.realShapes";

  private RealShapes() {}

  static void run(Options options, Budget budget, Report report) {
    System.setProperty(PROPERTY, Boolean.toString(!options.smoke()));
    OpTests.run("shapes", List.of("RealShapesTest", "LongContextTest"), options, budget, report);
  }
}
