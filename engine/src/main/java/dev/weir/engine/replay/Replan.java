package dev.weir.engine.replay;

import dev.weir.engine.model.Transformer;
import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.Scheduling;
import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TimeLimits;
import dev.weir.engine.run.DeviceModel;
import dev.weir.engine.run.Journal;
import dev.weir.engine.run.JournalFile;
import dev.weir.engine.run.JournalHeader;
import dev.weir.engine.run.JournalRecord;
import dev.weir.engine.run.LoopOptions;
import dev.weir.engine.run.StepLoop;
import dev.weir.engine.simulate.SimulatedDevice;
import dev.weir.engine.simulate.SimulatedModel;
import dev.weir.engine.simulate.StepCost;
import dev.weir.engine.simulate.VirtualClock;
import dev.weir.kernels.KvArena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Plans a journal's requests again, on simulated devices whose steps cost what the journal's did:
 * the real step loop, in virtual time. Each request draws the tokens that it drew. It comes when it
 * came; but a turn of a session that followed the end of the one before follows it again, as late.
 */
public final class Replan {
  /**
   * What a block's copy takes between devices: some megabytes at some tens of gigabytes a second.
   */
  private static final long BLOCK_NANOS = 100_000;

  /** As an engine has at its start. */
  private static final Duration CALIBRATION = Duration.ofMillis(500);

  /** A simulation that has not ended by then never does. */
  private static final long MAX_STEPS = 100_000_000;

  private final JournalFile journal;
  private final CostFit.Fit fit;
  private final StepCost cost;
  private final Map<Stream, int[]> outputs = new HashMap<>();
  private final int choices;

  /**
   * @throws IllegalArgumentException if the journal has no steps
   */
  public Replan(JournalFile journal) {
    this.journal = journal;
    fit = CostFit.of(journal.steps());
    StepCost found = fit.cost();
    cost =
        new StepCost(
            found.fixedNanos() + fit.hostNanos(),
            found.tokenNanos(),
            found.pairNanos(),
            found.contextNanos());
    Map<Stream, Integer> drawn = new HashMap<>();
    for (JournalRecord.Step step : journal.steps()) {
      for (JournalRecord.Entry entry : step.entries()) {
        if (entry.drew()) {
          drawn.merge(new Stream(entry.request(), entry.choice()), 1, Integer::sum);
        }
      }
    }
    // What had not ended yet is as long as it was; nobody knows which tokens it had drawn.
    drawn.forEach((stream, length) -> outputs.put(stream, new int[length]));
    for (JournalRecord.End end : journal.ends()) {
      outputs.put(new Stream(end.request(), end.choice()), end.output());
    }
    choices = journal.arrivals().stream().mapToInt(it -> it.request().choices()).sum();
  }

  private record Stream(long request, int choice) {}

  /**
   * A schedule of all requests.
   *
   * @param latencies what callers saw
   * @param origins where contexts came from
   */
  public record Schedule(Latencies latencies, Origins origins) {}

  /** What the journal's steps cost; what passes between them is added to the simulated ones. */
  public CostFit.Fit fit() {
    return fit;
  }

  /** The recorded schedule. */
  public Schedule recorded() {
    return new Schedule(
        Latencies.of(journal.arrivals(), journal.steps()), Origins.of(journal.placements()));
  }

  /** What a choice answers. */
  private record Answer(int promptLength, int... output) {}

  /**
   * Another schedule.
   *
   * @param shards over all devices, a multiple of these
   * @param devices how many simulated devices, each with the journal's KV blocks
   * @throws IllegalArgumentException if some request does not fit such shards
   */
  public Schedule simulated(Scheduling scheduling, int shards, int devices) {
    return new Run(scheduling, shards, devices).schedule();
  }

  /** One simulation. */
  private final class Run {
    private final VirtualClock clock = new VirtualClock();
    private final Turns turns = new Turns(journal);
    private final List<JournalRecord.Arrival> taken = new ArrayList<>();
    private final Map<Long, Answer> answers = new HashMap<>();
    private final List<JournalRecord.Arrival> arrivals = new ArrayList<>();
    private final List<JournalRecord.Placement> placements = new ArrayList<>();
    private final List<JournalRecord.Step> steps = new ArrayList<>();
    private final int[] endIds = JournalHeader.endIds(journal.header());
    private final Journal records = new Journal(this::take);
    private final StepLoop loop;
    private long origin;

    Run(Scheduling scheduling, int shards, int devices) {
      JournalRecord.Header header = journal.header();
      // All that was served then is served now, however long it waits.
      LoopOptions options = JournalHeader.loopOptions(header, scheduling, shards, choices);
      int vocabulary = JournalHeader.integer(header.model(), "vocabulary");
      int blocks = JournalHeader.integer(header.options(), "blocks");
      List<DeviceModel> models = new ArrayList<>();
      for (int number = 0; number < devices; number++) {
        SimulatedDevice device =
            new SimulatedDevice("simulated " + number, clock, cost, 0, 0, BLOCK_NANOS, this::draw);
        Transformer transformer =
            SimulatedModel.on(
                device,
                vocabulary,
                options.maxLength(),
                options.plan().stepTokens(),
                options.slots());
        KvArena arena = device.allocateKv(transformer.kvShape(), blocks);
        models.add(new DeviceModel(device, transformer, arena, new CostModel()));
      }
      loop = new StepLoop(models, null, endIds, options, clock);
      loop.writeTo(records);
    }

    Schedule schedule() {
      loop.calibrate(CALIBRATION);
      origin = clock.nanos();
      for (long rounds = 0; rounds < MAX_STEPS; rounds++) {
        while (!turns.isEmpty() && origin + turns.nextNanos() <= clock.nanos()) {
          long due = origin + turns.nextNanos();
          submit(turns.take(), due);
        }
        boolean busy = loop.step();
        records.drain();
        if (!busy && turns.isEmpty()) {
          return new Schedule(Latencies.of(arrivals, steps), Origins.of(placements));
        } else if (!busy) {
          clock.advanceTo(origin + turns.nextNanos());
        }
      }
      throw new IllegalStateException("the simulation does not end");
    }

    private void take(JournalRecord record) {
      switch (record) {
        case JournalRecord.Placement placement -> placements.add(placement);
        case JournalRecord.Step step -> steps.add(step);
        case JournalRecord.End end ->
            turns.ended(taken.get((int) end.request()).number(), end.nanos() - origin);
        case JournalRecord.Arrival known -> {} // it came while a step ran: its own time counts
        case JournalRecord.Header first -> {}
        case JournalRecord.Gap gap ->
            throw new IllegalStateException("a simulation's records are taken after every step");
        case JournalRecord.Closed last -> {}
      }
    }

    private void submit(JournalRecord.Arrival arrival, long due) {
      Request request = arrival.request();
      int[] prompt = request.prompt() instanceof Prompt.Tokens(int[] ids) ? ids : new int[0];
      long seed = Sampling.choiceSeed(arrival.number(), 1); // another for each request
      int longest = 1;
      for (int choice = 0; choice < request.choices(); choice++) {
        int[] output = outputs.getOrDefault(new Stream(arrival.number(), choice), new int[0]);
        longest = Math.max(longest, output.length);
        answers.put(Sampling.choiceSeed(seed, choice), new Answer(prompt.length, output));
      }
      // Stop tokens end it where they did; what its caller or time cut short is as short.
      Sampling sampling =
          Sampling.builder()
              .seed(seed)
              .maxTokens(longest)
              .ignoreEos(request.sampling().ignoreEos())
              .stopTokenIds(request.sampling().stopTokenIds())
              .build();
      arrivals.add(new JournalRecord.Arrival(taken.size(), due, request));
      taken.add(arrival);
      try {
        loop.submit(
            new Request(
                request.prompt(),
                sampling,
                request.choices(),
                true,
                request.terms().withLimits(TimeLimits.NONE)),
            prompt);
      } catch (InvalidRequestException e) {
        throw new IllegalArgumentException(
            "request %d cannot run so: %s".formatted(arrival.number(), e.getMessage()), e);
      }
    }

    private int draw(long seed, int position, long state) {
      Answer answer = answers.get(seed);
      int at = answer == null ? 0 : position - answer.promptLength;
      if (answer != null && at < answer.output.length) {
        return answer.output[at];
      }
      return endIds.length == 0 ? 0 : endIds[0];
    }
  }
}
