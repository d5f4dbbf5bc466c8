package dev.weir.tests.gpucheck;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.util.List;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * The op tests of the kernels, as every build runs them on the CPU and on the emulated driver; here
 * on the device that is checked, with fresh random inputs.
 */
final class OpTests {
  /** Names the device whose cases run, to the kernels' tests. */
  static final String DEVICE_PROPERTY = "weir.test.devices";

  static final String SEED_PROPERTY = "weir.test.seed";

  /** JUnit's name for looking its extensions up as services. */
  private static final String FIND_EXTENSIONS = "junit.jupiter.extensions.autodetection.enabled";

  private static final String PACKAGE = "dev.weir.kernels.";
  private static final List<String> CLASSES =
      List.of(
          "NormAndActivationTest", "LinearTest", "SampleTest", "StepChecksTest", "AttentionTest");

  private OpTests() {}

  static void run(Options options, Budget budget, Report report) {
    run("ops", CLASSES, options, budget, report);
  }

  /** Runs test classes until the time is spent; the tests left out are noted. */
  static void run(
      String section, List<String> classes, Options options, Budget budget, Report report) {
    System.setProperty(DEVICE_PROPERTY, options.device().option());
    System.setProperty(SEED_PROPERTY, Long.toString(options.seed()));
    for (String name : classes) {
      Launcher launcher = LauncherFactory.create();
      launcher.execute(
          LauncherDiscoveryRequestBuilder.request()
              .selectors(selectClass(PACKAGE + name))
              .configurationParameter(FIND_EXTENSIONS, "true")
              .configurationParameter(WhileTimeIsLeft.END, budget.text())
              .build(),
          new Listener(section, name, options, report));
    }
  }

  /** One check per test: its cases together, or each that failed. */
  private static final class Listener implements TestExecutionListener {
    private final String section;
    private final String className;
    private final Options options;
    private final Report report;
    private int passed;
    private int failed;
    private int late;

    Listener(String section, String className, Options options, Report report) {
      this.section = section;
      this.className = className;
      this.options = options;
      this.report = report;
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      if (reason.equals(WhileTimeIsLeft.REASON)) {
        late++;
      } else {
        report.note(section, className + "." + test.getDisplayName() + " skipped: " + reason);
      }
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      String method =
          test.getSource()
              .filter(MethodSource.class::isInstance)
              .map(source -> ((MethodSource) source).getMethodName() + " ")
              .orElse("");
      String name = className + "." + method + test.getDisplayName();
      String why = result.getThrowable().map(Throwable::toString).orElse("");
      if (result.getStatus() == Status.ABORTED) {
        report.note(section, name + ": " + why);
      } else if (result.getStatus() == Status.FAILED) {
        failed++;
        report.failed(section, name, "repeat with --seed " + options.seed() + ": " + why);
      } else if (test.isTest()) {
        passed++;
      }
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
      if (late > 0) {
        report.note(
            section,
            "%s: %d tests, with all their cases, were left out: %s"
                .formatted(className, late, WhileTimeIsLeft.REASON));
      }
      if (passed == 0 && failed == 0 && late == 0) {
        report.failed(section, className, "no test ran: this build has no case for the device");
      } else if (passed > 0 && failed == 0) {
        report.passed(section, className, passed + " tests");
      }
    }
  }
}
