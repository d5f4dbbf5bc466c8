package dev.weir.server.protocol;

import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * In which form a request wants its reply.
 *
 * @param stream whether it comes token by token
 * @param includeUsage whether a stream ends with the usage
 * @param includeProgress whether a stream tells how much of the prompt has been read
 * @param includeAccount whether it tells where its time went
 * @param heartbeat how long it may be silent; zero: for ever; absent: as the server has it
 */
public record ReplyForm(
    boolean stream,
    boolean includeUsage,
    boolean includeProgress,
    boolean includeAccount,
    Optional<Duration> heartbeat) {

  /** Asks for heartbeats, in seconds. */
  public static final String HEARTBEAT_HEADER = "X-Weir-Heartbeat";

  /** Asks for the account. */
  public static final String ACCOUNT_HEADER = "X-Weir-Account";

  /** More beats than this are work for nothing: no client gives up so soon. */
  public static final Duration MIN_HEARTBEAT = Duration.ofMillis(100);

  /** Nobody waits for an hour without a sign. */
  public static final Duration MAX_HEARTBEAT = Duration.ofHours(1);

  private static final Pattern SECONDS = Pattern.compile("\\d{1,6}(?:\\.\\d{1,6})?");
  private static final double NANOS_PER_SECOND = 1e9;

  /** Reads the form. */
  static ReplyForm read(Fields fields, Headers headers) {
    boolean stream = fields.flag("stream", false);
    JsonNode options = fields.get("stream_options");
    boolean includeUsage = false;
    boolean includeProgress = false;
    if (options != null) {
      if (!stream) {
        throw ApiException.invalid(
            "stream_options", "stream_options is only allowed where stream is true");
      }
      Fields streamOptions = Fields.of(options, "stream_options");
      includeUsage = streamOptions.flag("include_usage", false);
      includeProgress = streamOptions.flag("include_progress", false);
    }
    boolean includeAccount = headers.one(ACCOUNT_HEADER).map(ReplyForm::flag).orElse(false);
    return new ReplyForm(
        stream,
        includeUsage,
        includeProgress,
        fields.flag("include_account", includeAccount),
        headers.one(HEARTBEAT_HEADER).map(ReplyForm::heartbeat));
  }

  private static boolean flag(String value) {
    return switch (value.strip()) {
      case "1", "true" -> true;
      case "0", "false" -> false;
      default ->
          throw ApiException.invalid(
              ACCOUNT_HEADER,
              "the header %s is %s; it must be 1 or 0"
                  .formatted(ACCOUNT_HEADER, ApiException.excerpt(value)));
    };
  }

  private static Duration heartbeat(String value) {
    if (SECONDS.matcher(value.strip()).matches()) {
      Duration every =
          Duration.ofNanos((long) (Double.parseDouble(value.strip()) * NANOS_PER_SECOND));
      if (isHeartbeat(every)) {
        return every;
      }
    }
    throw ApiException.invalid(
        HEARTBEAT_HEADER,
        "the header %s is %s; it must be a number of seconds from %s to %d, or 0 for none"
            .formatted(
                HEARTBEAT_HEADER,
                ApiException.excerpt(value),
                MIN_HEARTBEAT.toMillis() / 1e3,
                MAX_HEARTBEAT.toSeconds()));
  }

  /** Whether heartbeats can have this distance: zero is none. */
  public static boolean isHeartbeat(Duration every) {
    return every.isZero()
        || (every.compareTo(MIN_HEARTBEAT) >= 0 && every.compareTo(MAX_HEARTBEAT) <= 0);
  }
}
