package dev.weir.server.api;

import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.SessionInfo;
import dev.weir.engine.request.ShardStats;
import dev.weir.engine.request.StepRecord;
import dev.weir.server.protocol.ApiException;
import dev.weir.server.protocol.ChatPrompt;
import dev.weir.server.protocol.ModelFacts;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the endpoints need of an engine with its model. Thread-safe. */
public interface ServedModel {
  /** The name that requests ask for. */
  String name();

  /** When the model was made available, in seconds since 1970. */
  long created();

  /** What must be known to read a request. */
  ModelFacts facts();

  /**
   * Starts a request; as {@code Engine.submit}.
   *
   * @throws dev.weir.engine.request.InvalidRequestException if it can never be served
   * @throws dev.weir.engine.request.OverloadedException if the queue is full, or predicted to take
   *     too long
   */
  Generation submit(Request request);

  /** The sessions that are known. */
  List<SessionInfo> sessions();

  /**
   * One session.
   *
   * @throws dev.weir.engine.request.UnknownSessionException if there is none, and none is
   *     remembered
   * @throws dev.weir.engine.request.SessionEvictedException if its KV was given away
   */
  SessionInfo session(String id);

  /** Ends a session and gives its KV away; errors as of {@link #session}. */
  void endSession(String id);

  /** What each shard holds. */
  List<ShardStats> shards();

  /**
   * The last steps, oldest first: those with a greater number that are still remembered.
   *
   * @param after -1 for all
   */
  List<StepRecord> steps(long after);

  /** The tokens of a text; a control token spelled in it is recognised. */
  int[] encode(String text, boolean addSpecialTokens);

  /**
   * The tokens of a chat.
   *
   * @throws ApiException 400 if the model has no chat template, or its template refuses
   */
  int[] encodeChat(ChatPrompt chat);

  /** The text of tokens. */
  String decode(int[] tokens, boolean skipSpecialTokens);

  /** The bytes of one token; those of its name for a control token. */
  byte[] tokenBytes(int token);

  /**
   * Checks the model that a request asks for; one that asks for none gets this one.
   *
   * @throws ApiException 404 if it asks for another
   */
  default void check(@Nullable String asked) {
    if (asked != null && !asked.equals(name())) {
      throw ApiException.modelNotFound(asked, name());
    }
  }
}
