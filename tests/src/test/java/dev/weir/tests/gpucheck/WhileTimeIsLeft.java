package dev.weir.tests.gpucheck;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips tests, and cases of tests, that would begin after the time is spent. Found as a service by
 * launches that set {@link #END}, and by no other.
 */
public final class WhileTimeIsLeft implements ExecutionCondition {
  /** The launch's configuration parameter with the end of the time: {@link Budget#text}. */
  static final String END = "weir.gpucheck.end";

  /** Why a test was skipped here. */
  static final String REASON = "no time was left";

  /** The launcher makes one. */
  public WhileTimeIsLeft() {}

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    boolean spent =
        context.getConfigurationParameter(END).map(Budget::until).map(Budget::spent).orElse(false);
    return spent
        ? ConditionEvaluationResult.disabled(REASON)
        : ConditionEvaluationResult.enabled("there is time");
  }
}
