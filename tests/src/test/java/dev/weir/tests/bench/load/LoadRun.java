package dev.weir.tests.bench.load;

import dev.weir.tests.bench.load.Workload.Dialogue;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Sends a workload and notes what comes back; a virtual thread per dialogue, one more that starts
 * them when they are due. A request's waiting is counted from when it was due, so that a client
 * that is held up by its limit does not make the server look better than its users see it.
 */
final class LoadRun {
  private final Target target;
  private final Workload workload;
  private final Duration pause;
  private final boolean sessions;
  private final double temperature;
  private final Semaphore clients;
  private final List<Outcome> outcomes = Collections.synchronizedList(new ArrayList<>());

  /**
   * @param pause between an answer and the next turn of its dialogue
   * @param sessions whether requests name their dialogue in {@code X-Session-ID}
   */
  LoadRun(Target target, Workload workload, Duration pause, boolean sessions, double temperature) {
    this.target = target;
    this.workload = workload;
    this.pause = pause;
    this.sessions = sessions;
    this.temperature = temperature;
    clients = new Semaphore(workload.clients());
  }

  /** Sends everything; returns when all is answered or has failed. */
  LoadResult run() throws InterruptedException {
    long start = System.nanoTime();
    List<Thread> threads = new ArrayList<>();
    try {
      for (Dialogue dialogue : workload.dialogues()) {
        long due = start + (long) (dialogue.dueSeconds() * TimeUnit.SECONDS.toNanos(1));
        TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
        clients.acquire();
        long counted = workload.closedLoop() ? System.nanoTime() : due;
        threads.add(Thread.startVirtualThread(() -> hold(dialogue, counted)));
      }
      for (Thread thread : threads) {
        thread.join();
      }
    } finally {
      threads.forEach(Thread::interrupt);
    }
    List<Outcome> sorted = new ArrayList<>(outcomes);
    sorted.sort(Comparator.comparingInt(Outcome::dialogue).thenComparingInt(Outcome::turn));
    return new LoadResult(start, sorted);
  }

  /** Holds a dialogue to its end, or to its first failure. */
  private void hold(Dialogue dialogue, long firstDue) {
    try {
      long due = firstDue;
      Prompt prompt = dialogue.turns().getFirst().says();
      for (int turn = 0; turn < dialogue.turns().size(); turn++) {
        String session = sessions ? "dialogue-" + dialogue.number() : null;
        int answerTokens = dialogue.turns().get(turn).answerTokens();
        StreamedCompletion one =
            StreamedCompletion.start(target, new Ask(prompt, answerTokens, temperature, session));
        Outcome outcome = await(one, dialogue, turn, due);
        if (!outcome.succeeded() || turn + 1 == dialogue.turns().size()) {
          return;
        }
        prompt = prompt.followedBy(one.said().answer(), dialogue.turns().get(turn + 1).says());
        due = System.nanoTime() + pause.toNanos();
        TimeUnit.NANOSECONDS.sleep(pause.toNanos());
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    } finally {
      clients.release();
    }
  }

  private Outcome await(StreamedCompletion one, Dialogue dialogue, int turn, long due)
      throws InterruptedException {
    try {
      Outcome outcome = Outcome.of(dialogue.number(), turn, due, one.await());
      outcomes.add(outcome);
      return outcome;
    } finally {
      one.stop();
    }
  }
}
