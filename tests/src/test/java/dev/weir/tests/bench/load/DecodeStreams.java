package dev.weir.tests.bench.load;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Streams that decode without an end: a request that is done, because its context is full, is
 * followed by another one. One thread looks after them.
 */
final class DecodeStreams implements AutoCloseable {
  /** Between looks at the streams. */
  private static final Duration LOOK = Duration.ofMillis(2);

  /** A stream that ends is followed by another, so this only bounds one request. */
  private static final int MAX_TOKENS = 100_000;

  /** More failed requests than this are a broken server, not a measurement. */
  private static final int MAX_FAILURES = 100;

  private final Storm storm;
  private final Target target;
  private final PromptMaker prompts;
  private final Random random;
  private final List<List<StreamedCompletion>> streams = new ArrayList<>();
  private final List<Failure> failures = new ArrayList<>();

  DecodeStreams(Storm storm, Target target, PromptMaker prompts, Random random) {
    this.storm = storm;
    this.target = target;
    this.prompts = prompts;
    this.random = random;
    for (int i = 0; i < storm.streams(); i++) {
      streams.add(new ArrayList<>(List.of(next())));
    }
  }

  private StreamedCompletion next() {
    return StreamedCompletion.start(
        target, Ask.of(prompts.make(storm.streamTokens(), random), MAX_TOKENS));
  }

  /** Until every stream has had its first token. */
  void awaitAll() throws InterruptedException {
    long limit = System.nanoTime() + target.patience().toNanos();
    while (!streams.stream().allMatch(one -> one.getLast().answered())) {
      BenchFailedException.unless(
          System.nanoTime() < limit, "streams got no first token within " + target.patience());
      look();
    }
  }

  void watchUntil(long nanos) throws InterruptedException {
    while (System.nanoTime() < nanos) {
      look();
    }
  }

  /** Starts what has ended again. */
  void look() throws InterruptedException {
    Thread.sleep(LOOK);
    for (List<StreamedCompletion> stream : streams) {
      StreamedCompletion last = stream.getLast();
      if (!last.running()) {
        Failure failure = last.failure();
        if (failure != null) {
          failures.add(failure);
          BenchFailedException.unless(
              failures.size() <= MAX_FAILURES, "streams fail again and again: " + failure);
        }
        stream.add(next());
      }
    }
  }

  /** Per stream, per request of it, when its pieces arrived. */
  List<List<long[]>> arrivals() {
    return streams.stream()
        .map(stream -> stream.stream().map(StreamedCompletion::arrivals).toList())
        .toList();
  }

  List<Failure> failures() {
    return List.copyOf(failures);
  }

  @Override
  public void close() {
    streams.forEach(stream -> stream.forEach(StreamedCompletion::stop));
  }
}
