package dev.weir.server.protocol;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.FinishReason;
import dev.weir.engine.request.TokenEvent;
import dev.weir.engine.request.Usage;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The server-sent events of one streamed reply. A token's chunk is bytes around one changing
 * string, because one is made for every token of every stream.
 */
public final class Chunks {
  /** The event that ends a stream. */
  private static final byte[] DONE = utf8("data: [DONE]\n\n");

  /** A comment line and the end of an event that has none but it. */
  private static final byte[] HEARTBEAT = utf8(": heartbeat\n\n");

  private static final byte[] NOTHING = new byte[0];
  private static final byte[] NULL = utf8("null");
  private static final byte[] FINISH_AND_END = utf8("}]}\n\n");

  /** The two endpoints that stream. */
  private enum Endpoint {
    CHAT("chat.completion.chunk", ",\"delta\":{\"content\":\"", "\"}"),
    COMPLETIONS("text_completion", ",\"text\":\"", "\"");

    final String object;
    final String beforeText;
    final String afterText;

    Endpoint(String object, String beforeText, String afterText) {
      this.object = object;
      this.beforeText = beforeText;
      this.afterText = afterText + ",\"logprobs\":";
    }
  }

  private static final byte[] BEFORE_REASON = utf8(",\"finish_reason\":");
  private static final byte[] ROLE =
      utf8(
          ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
              + "\"finish_reason\":null}]}\n\n");
  private static final byte[] EMPTY_DELTA = utf8(",\"delta\":{},\"logprobs\":null");

  private final Endpoint endpoint;
  private final byte[] start;
  private final byte[] startOfChoice;
  private final byte[] beforeText;
  private final byte[] afterText;
  private final @Nullable IntFunction<byte[]> vocabulary;

  private Chunks(
      Endpoint endpoint,
      ReplyHead head,
      boolean includeUsage,
      @Nullable IntFunction<byte[]> vocabulary) {
    this.endpoint = endpoint;
    this.vocabulary = vocabulary;
    beforeText = utf8(endpoint.beforeText);
    afterText = utf8(endpoint.afterText);
    start =
        concat(
            utf8("data: {\"id\":\""),
            Json.escape(head.id()),
            utf8("\",\"object\":\"" + endpoint.object + "\",\"created\":" + head.created()),
            utf8(",\"model\":\""),
            Json.escape(head.model()),
            utf8("\""));
    // Where a last chunk tells the usage, OpenAI's other chunks say that they don't.
    startOfChoice =
        concat(
            start, utf8(includeUsage ? ",\"usage\":null" : ""), utf8(",\"choices\":[{\"index\":"));
  }

  /**
   * Chunks of {@code /v1/chat/completions}.
   *
   * @param vocabulary the bytes of a token, where logprobs were asked for; else null
   */
  public static Chunks chat(
      ReplyHead head, boolean includeUsage, @Nullable IntFunction<byte[]> vocabulary) {
    return new Chunks(Endpoint.CHAT, head, includeUsage, vocabulary);
  }

  /** Chunks of {@code /v1/completions}; parameters as for {@link #chat}. */
  public static Chunks completions(
      ReplyHead head, boolean includeUsage, @Nullable IntFunction<byte[]> vocabulary) {
    return new Chunks(Endpoint.COMPLETIONS, head, includeUsage, vocabulary);
  }

  /** A chat choice's first chunk. */
  public byte[] role(int choice) {
    return concat(startOfChoice, index(choice), ROLE);
  }

  /** A piece of text. */
  public byte[] text(int choice, String text) {
    return chunk(choice, text, NULL, NULL);
  }

  /**
   * A token: its text, and its logprobs where asked for.
   *
   * @param offset where the text starts in the choice's text, in characters
   */
  public byte[] token(int choice, TokenEvent.Token token, int offset) {
    if (vocabulary == null) {
      return text(choice, token.text());
    }
    List<TokenEvent.Token> one = List.of(token);
    byte[] logprobs =
        Json.write(
            endpoint == Endpoint.CHAT
                ? TokenLogprobs.chat(one, vocabulary)
                : TokenLogprobs.completion(one, vocabulary, offset));
    return chunk(choice, token.text(), logprobs, NULL);
  }

  /** Whether a token that adds no text has a chunk all the same, for its logprobs. */
  public boolean tellsEveryToken() {
    return vocabulary != null;
  }

  /**
   * A choice's last chunk.
   *
   * @param account tells which clock ran out, if one did
   */
  public byte[] finish(int choice, FinishReason reason, Account account) {
    String timeout = Accounts.timeout(reason, account);
    byte[] quoted =
        utf8(
            "\"%s\"%s"
                .formatted(
                    Replies.finishReason(reason),
                    timeout == null ? "" : ",\"timeout\":\"" + timeout + "\""));
    return endpoint == Endpoint.CHAT
        ? concat(startOfChoice, index(choice), EMPTY_DELTA, BEFORE_REASON, quoted, FINISH_AND_END)
        : chunk(choice, "", NULL, quoted);
  }

  /**
   * The last chunk, which has no choice.
   *
   * @param usage what the request took; null where that was not asked for
   * @param accounts where the time went, prompt by prompt; empty where that was not asked for
   */
  public byte[] end(@Nullable Usage usage, List<Account> accounts) {
    return concat(
        start,
        utf8(",\"choices\":[]"),
        usage == null ? NOTHING : concat(utf8(",\"usage\":"), Json.write(Replies.usage(usage))),
        accounts.isEmpty()
            ? NOTHING
            : concat(utf8(",\"weir\":"), Json.write(Accounts.node(accounts))),
        utf8("}\n\n"));
  }

  /**
   * How much of a prompt has been read. A comment, because clients take any event with data for a
   * chunk, also under another event name, and look for its first choice.
   *
   * @param choice the prompt's first choice
   */
  public static byte[] progress(int choice, int prefilledTokens, int promptTokens) {
    return utf8(
        ": progress {\"index\":%d,\"prefilled_tokens\":%d,\"prompt_tokens\":%d}\n\n"
            .formatted(choice, prefilledTokens, promptTokens));
  }

  /** A sign of life that every client skips. */
  public static byte[] heartbeat() {
    return HEARTBEAT.clone();
  }

  /** An error in the middle of a stream; nothing follows it. */
  public static byte[] error(ApiException error) {
    return concat(utf8("data: "), error.toJson(), utf8("\n\n"));
  }

  /** The event after the last chunk. */
  public static byte[] done() {
    return DONE.clone();
  }

  private byte[] chunk(int choice, String text, byte[] logprobs, byte[] reason) {
    return concat(
        startOfChoice,
        index(choice),
        beforeText,
        Json.escape(text),
        afterText,
        logprobs,
        BEFORE_REASON,
        reason,
        FINISH_AND_END);
  }

  private static byte[] index(int choice) {
    return utf8(Integer.toString(choice));
  }

  private static byte[] concat(byte[]... parts) {
    int length = 0;
    for (byte[] part : parts) {
      length += part.length;
    }
    byte[] whole = new byte[length];
    ByteBuffer into = ByteBuffer.wrap(whole);
    for (byte[] part : parts) {
      into.put(part);
    }
    return whole;
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
