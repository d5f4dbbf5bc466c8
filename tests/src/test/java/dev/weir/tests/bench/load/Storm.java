package dev.weir.tests.bench.load;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * The storm: streams decode; then a long cold prompt arrives elsewhere; what do the streams keep?
 *
 * @param decoders streams that run all the time
 * @param decoderTokens prompt of each stream
 * @param promptTokens the long prompt
 * @param prompts how many of these arrive at once
 * @param before how long the streams are watched before
 * @param after how long they are watched once every long prompt has its first token
 */
record Storm(
    int decoders,
    int decoderTokens,
    int promptTokens,
    int prompts,
    Duration before,
    Duration after) {

  /** A stream that ends is replaced, so this only bounds one request. */
  private static final int MAX_STREAM_TOKENS = 100_000;

  /** Between looks at the streams. */
  private static final Duration LOOK = Duration.ofMillis(2);

  /** Tokens of the request that finds out how many tokens come in one piece. */
  private static final int PREFLIGHT_TOKENS = 32;

  /** The long prompt's answer: long enough that it is a stream like the others for a moment. */
  private static final int ANSWER_TOKENS = 8;

  /** Runs once. */
  StormRun run(Target target, Random random) throws InterruptedException {
    double tokensPerPiece = preflight(target, random);
    List<StreamedCompletion> all = new ArrayList<>();
    StreamedCompletion[] streams = new StreamedCompletion[decoders];
    List<StreamedCompletion> storm = new ArrayList<>();
    try {
      for (int i = 0; i < decoders; i++) {
        streams[i] = stream(target, random);
        all.add(streams[i]);
      }
      while (Arrays.stream(streams).anyMatch(one -> one.arrivals().isEmpty())) {
        keepRunning(target, random, streams, all);
      }
      long begin = System.nanoTime();
      watch(target, random, streams, all, begin + before.toNanos());
      long sent = System.nanoTime();
      for (int i = 0; i < prompts; i++) {
        int[] prompt = prompt(target, random, promptTokens);
        storm.add(StreamedCompletion.start(target, prompt, ANSWER_TOKENS));
      }
      while (storm.stream().anyMatch(one -> one.running() && one.arrivals().isEmpty())) {
        keepRunning(target, random, streams, all);
      }
      long answered =
          storm.stream()
              .filter(one -> !one.arrivals().isEmpty())
              .mapToLong(one -> one.arrivals().getFirst())
              .max()
              .orElseThrow(() -> new IllegalStateException("the storm failed: " + why(storm)));
      long end = System.nanoTime() + after.toNanos();
      watch(target, random, streams, all, end);
      for (StreamedCompletion one : storm) {
        if (one.await().error() != null) {
          throw new IllegalStateException("the storm failed: " + one.error());
        }
      }
      List<List<Long>> arrivals = all.stream().map(StreamedCompletion::arrivals).toList();
      return new StormRun(
          arrivals, begin, sent, answered, end, tokensPerPiece, storm.getFirst().promptTokens());
    } finally {
      all.forEach(StreamedCompletion::stop);
      storm.forEach(StreamedCompletion::stop);
    }
  }

  private static String why(List<StreamedCompletion> storm) {
    return storm.stream().map(one -> String.valueOf(one.error())).toList().toString();
  }

  private double preflight(Target target, Random random) throws InterruptedException {
    int[] prompt = prompt(target, random, decoderTokens);
    StreamedCompletion one = StreamedCompletion.start(target, prompt, PREFLIGHT_TOKENS).await();
    if (one.error() != null || one.arrivals().isEmpty()) {
      throw new IllegalStateException("the server does not answer as expected: " + one.error());
    }
    return one.outputTokens() == 0 ? 1 : (double) one.outputTokens() / one.arrivals().size();
  }

  private StreamedCompletion stream(Target target, Random random) {
    int[] prompt = prompt(target, random, decoderTokens);
    return StreamedCompletion.start(target, prompt, MAX_STREAM_TOKENS);
  }

  private void watch(
      Target target,
      Random random,
      StreamedCompletion[] streams,
      List<StreamedCompletion> all,
      long until)
      throws InterruptedException {
    while (System.nanoTime() < until) {
      keepRunning(target, random, streams, all);
    }
  }

  /** Replaces streams that came to their context's end. */
  private void keepRunning(
      Target target, Random random, StreamedCompletion[] streams, List<StreamedCompletion> all)
      throws InterruptedException {
    Thread.sleep(LOOK);
    for (int i = 0; i < streams.length; i++) {
      if (!streams[i].running()) {
        if (streams[i].error() != null) {
          throw new IllegalStateException("a stream failed: " + streams[i].error());
        }
        streams[i] = stream(target, random);
        all.add(streams[i]);
      }
    }
  }

  static int[] prompt(Target target, Random random, int length) {
    return random.ints(length, Target.FIRST_ORDINARY_TOKEN, target.vocabulary()).toArray();
  }
}
