package dev.weir.engine.run;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.request.Usage;
import dev.weir.engine.text.Tokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** The reader's side of a job. One thread reads; any thread may cancel. */
final class StepLoopGeneration implements Generation {
  private final Job job;
  private final StepLoop loop;
  private final @Nullable Tokenizer tokenizer;
  private List<ChoiceReader> choices;
  private int turn;

  StepLoopGeneration(Job job, StepLoop loop, @Nullable Tokenizer tokenizer) {
    this.job = job;
    this.loop = loop;
    this.tokenizer = tokenizer;
    choices = fromTheStart();
  }

  /** Empty where nobody reads. */
  private List<ChoiceReader> fromTheStart() {
    Tokenizer words = tokenizer;
    if (words == null) {
      return List.of();
    }
    List<ChoiceReader> readers = new ArrayList<>(job.sequences().length);
    for (Sequence sequence : job.sequences()) {
      readers.add(new ChoiceReader(sequence, words, job.request().skipSpecialTokens()));
    }
    return readers;
  }

  /** For tests: what the step loop knows of the request. */
  Job job() {
    return job;
  }

  @Override
  public int[] promptTokens() {
    return job.prompt().clone();
  }

  @Override
  public @Nullable TokenEvent next() throws InterruptedException {
    while (true) {
      TokenEvent event = poll();
      if (event != null || finished()) {
        return event;
      }
      park(Long.MAX_VALUE);
    }
  }

  @Override
  public boolean awaitEvent(Duration atMost) throws InterruptedException {
    long end = System.nanoTime() + atMost.toNanos();
    while (!finished() && !ready()) {
      long left = end - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      park(left);
    }
    return true;
  }

  private boolean finished() {
    return choices.stream().allMatch(ChoiceReader::finished);
  }

  private boolean ready() {
    return choices.stream().anyMatch(ChoiceReader::ready);
  }

  /** Sleeps until something is published, or for some time. */
  private void park(long nanos) throws InterruptedException {
    job.announceReader(Thread.currentThread());
    if (!ready()) {
      LockSupport.parkNanos(this, nanos);
    }
    job.announceReader(null);
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
  }

  @Override
  public int prefilledTokens() {
    return (int) job.sequences()[0].ledger.prefilledTokens.getOpaque();
  }

  @Override
  public Account account() {
    return job.sequences()[0].ledger.account();
  }

  /** An event of the next choice in turn that has one. */
  private @Nullable TokenEvent poll() {
    for (int i = 0; i < choices.size(); i++) {
      ChoiceReader choice = choices.get(turn);
      turn = (turn + 1) % choices.size();
      TokenEvent event;
      try {
        event = choice.next();
      } catch (RuntimeException failure) {
        cancel(); // one choice's failure is the request's
        throw asReaders(failure);
      }
      if (event instanceof TokenEvent.Finished finished && finished.reason() == FinishReason.STOP) {
        loop.cancel(choice.sequence()); // a stop string: the loop does not know
      }
      if (event != null) {
        return event;
      }
    }
    return null;
  }

  /** The same failure with the reader's stack; the step thread's own is its cause. */
  private static RuntimeException asReaders(RuntimeException failure) {
    return failure instanceof RequestFailedException
        ? new RequestFailedException(String.valueOf(failure.getMessage()), failure)
        : failure;
  }

  @Override
  public Usage usage() {
    int cached = Math.max(0, job.sequences()[0].cachedTokens);
    return new Usage(
        job.prompt().length, cached, choices.stream().mapToInt(ChoiceReader::read).sum());
  }

  @Override
  public Completion await() throws InterruptedException {
    choices = fromTheStart(); // logs keep everything: what next() has read is read again
    int count = choices.size();
    List<StringBuilder> texts = new ArrayList<>(count);
    List<List<TokenEvent.Token>> tokens = new ArrayList<>(count);
    TokenEvent.@Nullable Finished[] endings = new TokenEvent.Finished[count];
    for (int i = 0; i < count; i++) {
      texts.add(new StringBuilder());
      tokens.add(new ArrayList<>());
    }
    for (TokenEvent event = next(); event != null; event = next()) {
      switch (event) {
        case TokenEvent.Token token -> {
          texts.get(token.choice()).append(token.text());
          tokens.get(token.choice()).add(token);
        }
        case TokenEvent.Finished finished -> {
          texts.get(finished.choice()).append(finished.text());
          endings[finished.choice()] = finished;
        }
      }
    }
    List<Completion.Choice> results = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      TokenEvent.Finished ending = Objects.requireNonNull(endings[i]);
      results.add(
          new Completion.Choice(
              texts.get(i).toString(), List.copyOf(tokens.get(i)), ending.reason(), ending.stop()));
    }
    return new Completion(results, usage());
  }

  @Override
  public CompletableFuture<Completion> future() {
    CompletableFuture<Completion> future = new CompletableFuture<>();
    Thread.ofVirtual()
        .name("weir-await")
        .start(
            () -> {
              try {
                future.complete(await());
              } catch (RuntimeException | InterruptedException failure) {
                future.completeExceptionally(failure);
              }
            });
    return future;
  }

  @Override
  public void cancel() {
    loop.cancel(job.sequences());
  }
}
