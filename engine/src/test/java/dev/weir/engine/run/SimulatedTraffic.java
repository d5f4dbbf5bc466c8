package dev.weir.engine.run;

import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Requests drawn from a seed: prompts of any length, conversations whose turns continue what was
 * said, groups of samples of one prompt, prompts that begin alike, priorities, pinned shards, and
 * callers who lose patience.
 */
final class SimulatedTraffic {
  /**
   * @param requests how many, later turns aside
   * @param longest the longest sequence
   * @param vocabulary tokens are below this
   * @param shards what requests may be pinned to
   * @param meanGapNanos between two arrivals
   * @param most choices of a request
   * @param sessions whether every request is a turn of one
   * @param demand what a request costs, where no more may come than can be borne: in bursts, each
   *     of which could be served by itself in {@link #BEARABLE} of the time until the next; there
   *     are no further turns then
   */
  record Shape(
      int requests,
      int longest,
      int vocabulary,
      int shards,
      double meanGapNanos,
      int most,
      boolean sessions,
      @Nullable SimulatedDemand demand) {}

  /** Of all time, what a load takes that can be borne. */
  static final double BEARABLE = 0.5;

  private static final int LARGEST_BURST = 8;

  /** A request with the time at which it comes, and what happens to it. */
  static final class Visit {
    final int number;
    final long arrival;
    final Request request;
    final int[] prompt;
    final long patienceNanos;
    final int turnsLeft;
    private @Nullable StepLoopGeneration generation;
    boolean cancelled;

    Visit(int number, long arrival, Request request, int[] prompt, long patience, int turnsLeft) {
      this.number = number;
      this.arrival = arrival;
      this.request = request;
      this.prompt = prompt;
      patienceNanos = patience;
      this.turnsLeft = turnsLeft;
    }

    void arrive(StepLoop loop) {
      generation = (StepLoopGeneration) loop.submit(request, prompt);
    }

    void cancel() {
      cancelled = true;
      Objects.requireNonNull(generation).cancel();
    }

    /** Its choices, once it has arrived. */
    Sequence[] sequences() {
      return Objects.requireNonNull(generation).job().sequences();
    }

    /** Whether it has neither a token nor an end. */
    boolean waits() {
      Sequence first = sequences()[0];
      return first.length() == prompt.length && first.log.ending() == null;
    }

    /** The visit is over: nothing follows for any choice. */
    boolean ended() {
      for (Sequence sequence : sequences()) {
        if (sequence.log.ending() == null) {
          return false;
        }
      }
      return true;
    }
  }

  private static final int LONGEST_ANSWER = 400;
  private static final int FAMILIES = 4;

  private final Shape shape;
  private final SplittableRandom random;
  private final List<int[]> families = new ArrayList<>();
  private final PriorityQueue<Visit> coming =
      new PriorityQueue<>(
          Comparator.comparingLong((Visit v) -> v.arrival).thenComparingInt(v -> v.number));
  private int visits;
  private double largestBurstNanos;

  SimulatedTraffic(long seed, Shape shape) {
    this.shape = shape;
    random = new SplittableRandom(seed);
    for (int i = 0; i < FAMILIES; i++) {
      families.add(tokens(length(shape.longest - 1)));
    }
    if (shape.demand != null) {
      addBursts(shape.demand);
      return;
    }
    long now = 0;
    for (int i = 0; i < shape.requests; i++) {
      now += (long) (-Math.log(1 - random.nextDouble()) * shape.meanGapNanos);
      int turns = random.nextInt(4) == 0 ? 1 + random.nextInt(5) : 0;
      add(now, prompt(), turns, "s" + i);
    }
  }

  private void addBursts(SimulatedDemand demand) {
    double now = 0;
    for (int i = 0; i < shape.requests; ) {
      double burst = 0;
      for (int left = 1 + random.nextInt(LARGEST_BURST); left > 0; left--, i++) {
        burst += demand.nanos(add((long) now, prompt(), 0, "s" + i));
      }
      largestBurstNanos = Math.max(largestBurstNanos, burst);
      now += burst / BEARABLE;
    }
  }

  /** What the largest burst takes if its requests are served one after the other. */
  double largestBurstNanos() {
    return largestBurstNanos;
  }

  private int[] tokens(int count) {
    return random.ints(count, 0, shape.vocabulary).toArray();
  }

  /** From 1 to {@code most}, every order of magnitude as likely as any other. */
  private int length(int most) {
    return (int) Math.clamp(Math.exp(random.nextDouble() * Math.log(most)), 1, most);
  }

  private int[] prompt() {
    int length = length(shape.longest - 1);
    if (random.nextInt(3) > 0) {
      return tokens(length);
    }
    int[] family = families.get(random.nextInt(FAMILIES));
    int[] prompt = Arrays.copyOf(family, Math.min(family.length, length));
    prompt[prompt.length - 1 - random.nextInt(Math.min(prompt.length, 100))] = 0;
    return prompt;
  }

  private Visit add(long arrival, int[] prompt, int turnsLeft, String session) {
    Sampling sampling =
        Sampling.builder()
            .seed(random.nextLong())
            .maxTokens(length(LONGEST_ANSWER))
            .ignoreEos(random.nextBoolean())
            .build();
    int choices = random.nextInt(6) == 0 ? 1 + random.nextInt(shape.most) : 1;
    Terms terms = Terms.DEFAULT.withPriority(random.nextInt(5) == 0 ? random.nextInt(-8, 9) : 0);
    if (shape.sessions || turnsLeft > 0 || random.nextInt(8) == 0) {
      terms = terms.withSession(session);
    }
    if (random.nextInt(4) == 0) {
      terms = terms.withTenant("t" + random.nextInt(5));
    }
    if (random.nextInt(20) == 0) {
      terms = terms.withShard(random.nextInt(shape.shards));
    }
    long patience =
        random.nextInt(6) == 0
            ? (long) (random.nextDouble() * 20 * shape.meanGapNanos)
            : Long.MAX_VALUE;
    Request request = new Request(Prompt.of(prompt), sampling, choices, true, terms);
    Visit visit = new Visit(visits++, arrival, request, prompt, patience, turnsLeft);
    coming.add(visit);
    return visit;
  }

  /** Who comes next; null if nobody does, unless a turn ends. */
  @Nullable Visit peek() {
    return coming.peek();
  }

  /** The one that comes next. */
  Visit take() {
    return coming.remove();
  }

  /** A visit has ended: some come back with what was said and a little more. */
  void ended(Visit visit, long now) {
    if (visit.turnsLeft == 0 || visit.cancelled) {
      return;
    }
    Sequence said = visit.sequences()[0];
    int length = said.length() + length(500);
    if (length >= shape.longest) {
      return;
    }
    int[] next = Arrays.copyOf(said.tokens(), length);
    for (int i = said.length(); i < length; i++) {
      next[i] = random.nextInt(shape.vocabulary);
    }
    long think = (long) (random.nextDouble() * 4 * shape.meanGapNanos);
    add(now + think, next, visit.turnsLeft - 1, visit.request.terms().session().orElseThrow());
  }
}
