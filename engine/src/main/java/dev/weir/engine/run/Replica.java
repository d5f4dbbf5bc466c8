package dev.weir.engine.run;

import dev.weir.engine.plan.CostModel;
import dev.weir.engine.plan.Forecast;
import dev.weir.engine.plan.StepDemand;
import dev.weir.engine.plan.StepPlanner;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;
import org.jspecify.annotations.Nullable;

/**
 * One device with its copy of the model, as the step loop sees it: the sequences that run there,
 * the steps in flight, and what its steps cost.
 */
final class Replica {
  final int number;
  final Device device;
  final KvArena arena;
  final StepFrames frames;
  final CostModel cost;
  final StepPlanner planner;
  final Forecast forecast;
  final StepDemand demand;
  final RunningSequences running;

  private long lastDoneNanos = Long.MIN_VALUE;
  private @Nullable RuntimeException lost;

  /**
   * @param number from 0
   * @param firstBlock what the loop calls the first block of the device's arena
   */
  Replica(int number, DeviceModel model, int firstBlock, LoopOptions options) {
    this.number = number;
    device = model.device();
    arena = model.arena();
    cost = model.cost();
    frames = new StepFrames(model, firstBlock, options);
    planner = new StepPlanner(options.plan(), cost, options.slots());
    forecast = new Forecast(options.plan(), cost);
    demand = new StepDemand(options.slots());
    running = new RunningSequences(options.slots());
  }

  /** Whether there is nothing to compute and nothing in flight. */
  boolean idle() {
    return running.count() == 0 && frames.inFlight() == 0;
  }

  /** Whether the oldest step in flight is done. */
  boolean hasDoneStep(Clock clock) {
    return frames.look(clock);
  }

  /**
   * A step was awaited.
   *
   * @return how long the device took for it: it began when it was done with the step before, if the
   *     host was ahead of it
   */
  long tookNanos(StepFrame frame) {
    long took = frame.doneNanos() - Math.max(frame.launchedNanos(), lastDoneNanos);
    lastDoneNanos = frame.doneNanos();
    return took;
  }

  /** Says what the next step may compute. */
  void describeDemand() {
    demand.clear();
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      demand.add(
          sequence.computed,
          sequence.pending(),
          sequence.lane,
          sequence.job.request().terms().priority(),
          sequence.computed > sequence.admittedWith,
          sequence.waitingSince);
    }
  }

  /** Predicted time of all prompt tokens that are to be computed here. */
  double backlogNanos() {
    double nanos = 0;
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      int pending = sequence.pending();
      if (pending > 1) {
        nanos += cost.chunkCost(sequence.computed, pending);
      }
    }
    return nanos;
  }

  /** The same beside decode rows that take so long: their prompts' chunks are smaller. */
  double backlogNanos(double decodeNanos) {
    double nanos = 0;
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      int pending = sequence.pending();
      if (pending > 1) {
        nanos += forecast.extraNanos(decodeNanos, running.count(), sequence.computed, pending);
      }
    }
    return nanos;
  }

  /**
   * Predicted time until a part of a prompt would be computed here: beside the rows that decode,
   * and behind all that was admitted before, also those whose contexts are still on their way.
   */
  double promptNanos(int prefix, int length) {
    describeDemand();
    double decode = planner.decodeNanos(demand);
    double extra = forecast.extraNanos(decode, running.count(), prefix, length);
    long tokens = length;
    for (int i = 0; i < running.count(); i++) {
      Sequence sequence = running.get(i);
      int left = sequence.upcoming() - sequence.computed;
      if (left > 1) {
        extra += cost.chunkCost(sequence.computed, left);
        tokens += left;
      }
    }
    return forecast.promptsNanos(decode, running.count(), extra, tokens);
  }

  /** Prompt tokens that are to be computed here. */
  long backlogTokens() {
    long tokens = 0;
    for (int i = 0; i < running.count(); i++) {
      int pending = running.get(i).pending();
      tokens += pending > 1 ? pending : 0;
    }
    return tokens;
  }

  /** The device cannot be used any more. */
  void lose(RuntimeException cause) {
    lost = cause;
  }

  /** Why the device cannot be used any more; null while it can. */
  @Nullable RuntimeException lost() {
    return lost;
  }
}
