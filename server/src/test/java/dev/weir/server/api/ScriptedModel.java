package dev.weir.server.api;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.SessionEvictedException;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.request.UnknownSessionException;
import dev.weir.engine.request.Usage;
import dev.weir.server.protocol.ChatPrompt;
import dev.weir.server.protocol.ModelFacts;
import dev.weir.server.protocol.SamplingDefaults;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * A model whose tokens are characters and that says what it is told to say: choice c of a request
 * answers {@link #REPLY} and c, one token per character.
 */
final class ScriptedModel implements ServedModel {
  static final String REPLY = "Wé \"r\" ";
  static final int VOCABULARY = 1000;
  static final int CONTEXT = 4096;
  static final int SHARDS = 4;

  /** Where set, generations wait for it before their first token. */
  volatile @Nullable CountDownLatch gate;

  /** Where set, thrown by submit. */
  volatile @Nullable RuntimeException refusal;

  /** Tokens after which a generation fails; none by default. */
  volatile int failAfter = Integer.MAX_VALUE;

  /** Tokens after which a choice's time is out; never by default. */
  volatile int timeoutAfter = Integer.MAX_VALUE;

  /** Tokens of a prompt that are read before the first token. */
  volatile int prefilled;

  /** What generations account for. */
  volatile Account account = Account.EMPTY;

  /** How it fails then. */
  volatile Supplier<RuntimeException> failure = () -> new RequestFailedException("on purpose");

  final LinkedBlockingQueue<Request> submitted = new LinkedBlockingQueue<>();
  final LinkedBlockingQueue<Generation> cancelled = new LinkedBlockingQueue<>();
  volatile @Nullable ChatPrompt chat;
  final Map<String, SessionInfo> sessions = new ConcurrentHashMap<>();

  /** Sessions that are gone, and why. */
  final Map<String, String> evicted = new ConcurrentHashMap<>();

  /** How many steps there were. */
  volatile long steps;

  @Override
  public String name() {
    return "scripted/model";
  }

  @Override
  public long created() {
    return 1_767_225_600;
  }

  @Override
  public ModelFacts facts() {
    return new ModelFacts(VOCABULARY, CONTEXT, SHARDS, SamplingDefaults.OPENAI);
  }

  @Override
  public Generation submit(Request request) {
    RuntimeException thrown = refusal;
    if (thrown != null) {
      throw thrown;
    }
    submitted.add(request);
    int[] prompt =
        switch (request.prompt()) {
          case Prompt.Tokens(int[] ids) -> ids;
          case Prompt.Text(String text, boolean special) -> encode(text, special);
        };
    return new Scripted(request, prompt);
  }

  @Override
  public List<SessionInfo> sessions() {
    return List.copyOf(sessions.values());
  }

  @Override
  public SessionInfo session(String id) {
    String reason = evicted.get(id);
    if (reason != null) {
      throw new SessionEvictedException(id, reason);
    }
    SessionInfo session = sessions.get(id);
    if (session == null) {
      throw new UnknownSessionException(id);
    }
    return session;
  }

  @Override
  public void endSession(String id) {
    session(id);
    sessions.remove(id);
  }

  @Override
  public List<ShardStats> shards() {
    return IntStream.range(0, SHARDS)
        .mapToObj(i -> new ShardStats(i, i / 2, "device " + i / 2, i != 3, 40, 10 + i, 2, 5, 3))
        .toList();
  }

  @Override
  public List<StepRecord> steps(long after) {
    return LongStream.range(Math.max(after + 1, 0), steps)
        .mapToObj(i -> new StepRecord(i, 1, 1_000_000 * i, 500_000, 400_000, 300_000, 4, 512, 2))
        .toList();
  }

  @Override
  public int[] encode(String text, boolean addSpecialTokens) {
    return text.codePoints().map(c -> Math.min(c, VOCABULARY - 1)).toArray();
  }

  @Override
  public int[] encodeChat(ChatPrompt chat) {
    this.chat = chat;
    return encode(chat.messages().toString(), true);
  }

  @Override
  public String decode(int[] tokens, boolean skipSpecialTokens) {
    return new String(tokens, 0, tokens.length);
  }

  @Override
  public byte[] tokenBytes(int token) {
    return Character.toString(token).getBytes(StandardCharsets.UTF_8);
  }

  private final class Scripted implements Generation {
    private final Request request;
    private final int[] prompt;
    private final List<int[]> replies = new ArrayList<>();
    private final int[] drawn;
    private final boolean[] finished;
    private final List<TokenEvent> given = new ArrayList<>();
    private int turn;
    private int outputTokens;
    private final CountDownLatch cancel = new CountDownLatch(1);

    Scripted(Request request, int[] prompt) {
      this.request = request;
      this.prompt = prompt;
      for (int choice = 0; choice < request.choices(); choice++) {
        replies.add((REPLY + choice).codePoints().toArray());
      }
      drawn = new int[request.choices()];
      finished = new boolean[request.choices()];
    }

    @Override
    public int[] promptTokens() {
      return prompt;
    }

    @Override
    public @Nullable TokenEvent next() throws InterruptedException {
      CountDownLatch wait = gate;
      while (wait != null && wait.getCount() > 0 && cancel.getCount() > 0) {
        Thread.sleep(1);
      }
      for (int tried = 0; tried < drawn.length; tried++) {
        int choice = turn++ % drawn.length;
        if (!finished[choice]) {
          TokenEvent event = event(choice);
          given.add(event);
          return event;
        }
      }
      return null;
    }

    private TokenEvent event(int choice) {
      boolean ended = drawn[choice] == replies.get(choice).length;
      boolean full = drawn[choice] == request.sampling().maxTokens();
      boolean late = drawn[choice] == timeoutAfter;
      if (ended || full || late || cancel.getCount() == 0) {
        finished[choice] = true;
        FinishReason reason =
            cancel.getCount() == 0
                ? FinishReason.CANCELLED
                : late ? FinishReason.TIMEOUT : ended ? FinishReason.STOP : FinishReason.LENGTH;
        return new TokenEvent.Finished(choice, reason, "", null, drawn[choice]);
      }
      if (outputTokens >= failAfter) {
        throw failure.get();
      }
      outputTokens++;
      int id = replies.get(choice)[drawn[choice]++];
      boolean logprobs = request.sampling().logprobs() != Sampling.NO_LOGPROBS;
      List<TokenEvent.Alternative> alternatives = new ArrayList<>();
      for (int i = 0; i < request.sampling().logprobs(); i++) {
        alternatives.add(
            new TokenEvent.Alternative('a' + i, i == 0 ? -0.5f : Float.NEGATIVE_INFINITY));
      }
      return new TokenEvent.Token(
          choice, id, Character.toString(id), logprobs ? -0.25f : Float.NaN, alternatives);
    }

    @Override
    public boolean awaitEvent(Duration atMost) throws InterruptedException {
      long end = System.nanoTime() + atMost.toNanos();
      CountDownLatch wait = gate;
      while (wait != null && wait.getCount() > 0 && cancel.getCount() > 0) {
        if (System.nanoTime() >= end) {
          return false;
        }
        Thread.sleep(1);
      }
      return true;
    }

    @Override
    public int prefilledTokens() {
      return outputTokens > 0 ? prompt.length : prefilled;
    }

    @Override
    public Account account() {
      return account;
    }

    @Override
    public Usage usage() {
      return new Usage(prompt.length, 1, outputTokens);
    }

    @Override
    public Completion await() throws InterruptedException {
      List<List<TokenEvent.Token>> tokens = new ArrayList<>();
      List<FinishReason> reasons = new ArrayList<>();
      for (int[] _ : replies) {
        tokens.add(new ArrayList<>());
        reasons.add(FinishReason.CANCELLED);
      }
      while (next() != null) {
        // to the end; what was read before counts too
      }
      for (TokenEvent event : given) {
        switch (event) {
          case TokenEvent.Token token -> tokens.get(token.choice()).add(token);
          case TokenEvent.Finished end -> reasons.set(end.choice(), end.reason());
        }
      }
      List<Completion.Choice> choices = new ArrayList<>();
      for (int choice = 0; choice < replies.size(); choice++) {
        StringBuilder text = new StringBuilder();
        tokens.get(choice).forEach(token -> text.append(token.text()));
        choices.add(
            new Completion.Choice(text.toString(), tokens.get(choice), reasons.get(choice), null));
      }
      return new Completion(choices, usage());
    }

    @Override
    public CompletableFuture<Completion> future() {
      throw new UnsupportedOperationException("the server waits by itself");
    }

    @Override
    public void cancel() {
      cancel.countDown();
      cancelled.add(this);
    }
  }
}
