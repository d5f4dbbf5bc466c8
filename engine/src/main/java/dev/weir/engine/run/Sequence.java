package dev.weir.engine.run;

import dev.weir.engine.kv.BlockTable;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TimeLimit;
import dev.weir.kernels.KvShape;
import org.jspecify.annotations.Nullable;

/**
 * One choice of a request: its tokens, where their KV lies, and how the next token is drawn. Made
 * by the submitting thread with everything it can ever need; from then on the step thread's alone,
 * but for the log.
 */
final class Sequence {
  /** Not in a row of the block table. */
  static final int NO_SLOT = -1;

  final Job job;
  final int choice;
  final TokenLog log;
  final Ledger ledger = new Ledger();
  final BlockTable blocks;
  final long seed;
  final @Nullable TokenCounts counts;

  private final int[] tokens;
  private int length;

  private volatile boolean cancelled;

  /** Tokens whose KV is in the cache once the steps that were launched are done. */
  int computed;

  /** Tokens that launched steps draw: they follow the known ones. */
  private int drawing;

  /** Which row of its step draws the last of these. */
  private int drawnRow;

  /** The row of the block table, or {@link #NO_SLOT}. */
  int slot = NO_SLOT;

  /**
   * Tokens that were in the cache when it was admitted: more of them, and its prefill has begun.
   */
  int admittedWith;

  /** Prompt tokens that the planner had served to all when it was admitted. */
  long waitingSince;

  /** Whose pool its new blocks come from. */
  int shard;

  /** Whose turns of prefill it shares on its device. */
  int lane;

  /** How many blocks of its context lay anywhere when it was admitted. */
  int foundBlocks;

  /** Tokens that were in the cache when it was preempted. */
  int lostTokens;

  /** Tokens that its session had had in the cache when it was admitted. */
  int sessionTokens;

  /** A copy of its context has failed: it computes rather than copies. */
  boolean computesAgain;

  /** While its context is on its way to its device: nothing can be computed. */
  @Nullable ContextMove move;

  /** What {@link Shards#givenBack} said when it found no room; -1: it never looked for some. */
  long refusedAt = -1;

  /** While it waits: who computes a context that they share … */
  @Nullable Sequence leader;

  /** … and how many blocks of it. */
  int leaderBlocks;

  /** Until when its time is on one of the ledger's clocks. */
  long accountedNanos;

  /** The step that its time was accounted with last. */
  long accountedStep = -1;

  /** How many of the blocks are in the prefix index … */
  int indexedBlocks;

  /** … and the content id of the last of them, or the root. */
  long indexedContent;

  /** Tokens of the prompt that need not be computed, where it runs first; -1 before that. */
  int cachedTokens = -1;

  Sequence(Job job, int choice, long seed) {
    this.job = job;
    this.choice = choice;
    this.seed = seed;
    Sampling sampling = job.request().sampling();
    int capacity = job.maxLength();
    int outputs = capacity - job.prompt().length;
    tokens = new int[capacity];
    System.arraycopy(job.prompt(), 0, tokens, 0, job.prompt().length);
    length = job.prompt().length;
    log = new TokenLog(outputs, sampling.logprobs());
    blocks = new BlockTable(blocksFor(capacity));
    if (sampling.penalised()) {
      counts = new TokenCounts(Math.min(capacity, job.vocabulary()));
      for (int token : job.prompt()) {
        counts.prompt(token);
      }
    } else {
      counts = null;
    }
  }

  /** Blocks that hold so many tokens. */
  static int blocksFor(int tokens) {
    return (tokens + KvShape.BLOCK_TOKENS - 1) / KvShape.BLOCK_TOKENS;
  }

  /** Any thread: asks for the end; {@link StepLoop#cancel} makes the loop look. */
  void requestCancel() {
    cancelled = true;
  }

  boolean cancelled() {
    return cancelled;
  }

  int[] tokens() {
    return tokens;
  }

  /** Whether it has run or runs. */
  boolean admitted() {
    return ledger.shard.getPlain() >= 0;
  }

  /** Whether it runs; once it has left with a step in flight it has ended, and stays so. */
  boolean runs() {
    return slot != NO_SLOT;
  }

  /** Prompt and output tokens that are known. */
  int length() {
    return length;
  }

  /** Prompt and output tokens, with those that launched steps draw. */
  int upcoming() {
    return length + drawing;
  }

  /** Whether a launched step draws its next token. */
  boolean drawing() {
    return drawing > 0;
  }

  /**
   * Tokens to compute: known, or being drawn. None once the last that it may have is drawn, and
   * while its context is on its way.
   */
  int pending() {
    return move != null || upcoming() == tokens.length ? 0 : upcoming() - computed;
  }

  /** What a step computes at a position: the token, or which row of the step before draws it. */
  int input(int position) {
    if (position < length) {
      return tokens[position];
    }
    assert drawing == 1 && position == length : "only the step before can draw an unknown token";
    return -1 - drawnRow;
  }

  /** A step that computes {@code tokens} of the pending ones was launched. */
  void launched(int tokens) {
    computed += tokens;
  }

  /** That step also draws, in its row {@code row}, the token that follows. */
  void launchedDraw(int row) {
    drawing++;
    drawnRow = row;
  }

  /** Adds the token that the oldest of the launched steps has drawn. */
  void append(int token) {
    assert drawing > 0;
    drawing--;
    tokens[length++] = token;
    if (counts != null) {
      counts.output(token);
    }
  }

  /** Which of its clocks has run out while it runs; null: none. */
  @Nullable TimeLimit expiredClock() {
    if (!job.limited()) {
      return null;
    }
    if (length == job.prompt().length && over(TimeLimit.FIRST_TOKEN)) {
      return TimeLimit.FIRST_TOKEN;
    }
    return over(TimeLimit.TOTAL) ? TimeLimit.TOTAL : null;
  }

  private boolean over(TimeLimit clock) {
    return ledger.elapsedNanos(clock) > job.limitNanos(clock);
  }

  /** Whether it cannot become longer. */
  boolean full() {
    return length == tokens.length;
  }
}
