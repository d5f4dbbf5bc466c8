package dev.weir.tests.bench.load;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * The storm: streams decode; then a long cold prompt arrives; what do the streams keep?
 *
 * @param streams how many decode all the time
 * @param streamTokens prompt of each stream
 * @param promptTokens the long prompt
 * @param prompts how many of these arrive at once
 * @param warmUp how long all streams run before they are watched
 * @param before how long the streams are watched before
 * @param after how long they are watched once every long prompt has its first token
 */
record Storm(
    int streams,
    int streamTokens,
    int promptTokens,
    int prompts,
    Duration warmUp,
    Duration before,
    Duration after) {

  /** The long prompt's answer: long enough that it is a stream like the others for a moment. */
  private static final int ANSWER_TOKENS = 8;

  Storm {
    if (streams < 1 || streamTokens < 1 || promptTokens < 1 || prompts < 1) {
      throw new IllegalArgumentException(
          "streams, long prompts and the tokens of each must be at least 1");
    }
    if (warmUp.isNegative() || after.isNegative() || !before.isPositive()) {
      throw new IllegalArgumentException(
          "streams must be watched for a while before the storm; no time can be negative");
    }
  }

  /**
   * Runs once.
   *
   * @throws BenchFailedException if a long prompt is not answered, or streams fail again and again
   */
  StormRun run(Target target, PromptMaker prompts, double tokensPerPiece, Random random)
      throws InterruptedException {
    try (DecodeStreams running = new DecodeStreams(this, target, prompts, random)) {
      running.awaitAll();
      running.watchUntil(System.nanoTime() + warmUp.toNanos());
      @Nullable EngineWork atBegin = EngineWork.read(target);
      long begin = System.nanoTime();
      running.watchUntil(begin + before.toNanos());
      @Nullable EngineWork atSent = EngineWork.read(target);
      List<StreamedCompletion> storm = new ArrayList<>();
      List<Prompt> made = new ArrayList<>();
      for (int i = 0; i < this.prompts; i++) {
        made.add(prompts.make(promptTokens, random));
      }
      long sent = System.nanoTime();
      try {
        made.forEach(
            prompt -> storm.add(StreamedCompletion.start(target, Ask.of(prompt, ANSWER_TOKENS))));
        long limit = sent + target.patience().toNanos();
        while (storm.stream().anyMatch(one -> one.running() && !one.answered())) {
          BenchFailedException.unless(
              System.nanoTime() < limit, "no first token within " + target.patience());
          running.look();
        }
        @Nullable EngineWork atAnswered = EngineWork.read(target);
        long answered = storm.stream().mapToLong(Storm::firstToken).max().orElseThrow();
        running.watchUntil(answered + after.toNanos());
        @Nullable EngineWork atEnd = EngineWork.read(target);
        for (StreamedCompletion one : storm) {
          BenchFailedException.unless(
              one.await().failure() == null, "a long prompt failed: " + one.failure());
        }
        return new StormRun(
            running.arrivals(),
            begin,
            sent,
            answered,
            answered + after.toNanos(),
            tokensPerPiece,
            storm.getFirst().said().promptTokens(),
            running.failures(),
            balance(target, atBegin, atSent, atAnswered, atEnd));
      } finally {
        storm.forEach(StreamedCompletion::stop);
      }
    }
  }

  /** From the step log where it has all steps, else from counters. */
  private static @Nullable Balance balance(
      Target target,
      @Nullable EngineWork begin,
      @Nullable EngineWork sent,
      @Nullable EngineWork answered,
      @Nullable EngineWork end)
      throws InterruptedException {
    if (begin == null || sent == null || answered == null || end == null) {
      return null;
    }
    List<EngineStep> log = EngineStep.after(target, begin.steps() - 1);
    List<EngineStep> before = EngineStep.between(log, begin.steps(), sent.steps());
    List<EngineStep> during = EngineStep.between(log, sent.steps(), answered.steps());
    List<EngineStep> after = EngineStep.between(log, answered.steps(), end.steps());
    StreamsAlone alone = StreamsAlone.of(before, after);
    return alone == null || during.isEmpty()
        ? Balance.ofCounters(begin.until(sent), sent.until(answered))
        : Balance.ofSteps(alone, during);
  }

  private static long firstToken(StreamedCompletion one) {
    BenchFailedException.unless(
        one.answered(), "a long prompt got no first token: " + one.failure());
    return one.arrivals()[0];
  }
}
