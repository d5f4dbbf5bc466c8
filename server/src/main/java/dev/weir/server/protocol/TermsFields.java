package dev.weir.server.protocol;

import dev.weir.engine.request.InvalidRequestException;
import dev.weir.engine.request.Terms;
import dev.weir.engine.request.TimeLimits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * The terms of a request: in the body, or in the headers by which routers pass them on. A router
 * that puts a request on a shard counts on it, so what cannot be followed is refused.
 */
final class TermsFields {
  /** Where other servers' clients and routers name the session. */
  private static final List<String> SESSION_HEADERS = List.of("X-Session-ID", "X-SMG-Routing-Key");

  private static final List<String> SHARD_FIELDS = List.of("routed_dp_rank", "data_parallel_rank");
  private static final String SHARD_HEADER = "X-data-parallel-rank";
  private static final String TENANT_HEADER = "X-Tenant-ID";

  /** OpenAI's names for a client's own user, the newer first. */
  private static final List<String> TENANT_FIELDS = List.of("safety_identifier", "user");

  /** No sign, and short enough for an int. */
  private static final Pattern NUMBER = Pattern.compile("\\d{1,9}");

  /** Below it, a limit is no limit but a mistake in its unit. */
  private static final double MIN_SECONDS = 0.001;

  /** Over eleven days: whoever means for ever leaves the limit out. */
  private static final double MAX_SECONDS = 1e6;

  private static final double NANOS_PER_SECOND = 1e9;

  private TermsFields() {}

  static Terms read(Fields fields, Headers headers, ModelFacts model) {
    try {
      return new Terms(
          session(fields, headers),
          tenant(fields, headers),
          fields.integer("priority", Terms.DEFAULT.priority()),
          shard(fields, headers, model.shards()),
          new TimeLimits(
              seconds(fields, "queue_timeout"),
              seconds(fields, "ttft_deadline"),
              seconds(fields, "deadline")));
    } catch (InvalidRequestException e) {
      throw ApiException.invalid(e.parameter(), String.valueOf(e.getMessage()));
    }
  }

  /** Something that a request said in one place. */
  private record Said<T>(String where, T what) {}

  /** What was said, which must be the same in all places. */
  private static <T> Optional<T> agreed(List<Said<T>> all) {
    for (Said<T> one : all) {
      Said<T> first = all.getFirst();
      if (!one.what.equals(first.what)) {
        throw ApiException.invalid(
            first.where,
            "%s is %s but %s is %s; they mean the same, so send one of them"
                .formatted(
                    first.where,
                    ApiException.excerpt(first.what.toString()),
                    one.where,
                    ApiException.excerpt(one.what.toString())));
      }
    }
    return all.stream().map(Said::what).findFirst();
  }

  private static Optional<String> session(Fields fields, Headers headers) {
    List<Said<String>> said = new ArrayList<>();
    String inBody = fields.text("session_id");
    if (inBody != null) {
      said.add(new Said<>("session_id", checkName("session_id", inBody)));
    }
    for (String name : SESSION_HEADERS) {
      headers.one(name).ifPresent(id -> said.add(new Said<>(name, checkHeader(name, id))));
    }
    return agreed(said);
  }

  /** The header first: who set it stands in front of the server, the body is anybody's. */
  private static Optional<String> tenant(Fields fields, Headers headers) {
    Optional<String> header = headers.one(TENANT_HEADER);
    if (header.isPresent()) {
      return Optional.of(checkHeader(TENANT_HEADER, header.get()));
    }
    for (String name : TENANT_FIELDS) {
      String user = fields.text(name);
      if (user != null && !user.isEmpty()) { // clients send "" for nobody
        return Optional.of(checkName(name, user));
      }
    }
    return Optional.empty();
  }

  private static OptionalInt shard(Fields fields, Headers headers, int shards) {
    List<Said<Integer>> said = new ArrayList<>();
    for (String name : SHARD_FIELDS) {
      JsonNode value = fields.get(name);
      if (value != null) {
        boolean whole =
            value.isNumber() && value.canConvertToExactIntegral() && value.canConvertToLong();
        String number = whole ? Long.toString(value.asLong()) : "";
        said.add(new Said<>(name, shard(name, number, shards)));
      }
    }
    headers
        .one(SHARD_HEADER)
        .ifPresent(
            text -> said.add(new Said<>(SHARD_HEADER, shard(SHARD_HEADER, text.strip(), shards))));
    return agreed(said).map(OptionalInt::of).orElse(OptionalInt.empty());
  }

  private static int shard(String where, String number, int shards) {
    if (NUMBER.matcher(number).matches() && Integer.parseInt(number) < shards) {
      return Integer.parseInt(number);
    }
    throw ApiException.invalid(
        where,
        "%s is not the number of a shard; this server has %d, numbered from 0"
            .formatted(where, shards));
  }

  private static Optional<Duration> seconds(Fields fields, String name) {
    JsonNode value = fields.get(name);
    if (value == null) {
      return Optional.empty();
    }
    if (!value.isNumber()) {
      throw Fields.wrongType(fields.path(name), value, "a number of seconds");
    }
    double seconds = value.doubleValue();
    if (!(seconds >= MIN_SECONDS && seconds <= MAX_SECONDS)) {
      throw ApiException.invalid(
          fields.path(name),
          "%s must be from %.3f to %.0f seconds"
              .formatted(fields.path(name), MIN_SECONDS, MAX_SECONDS));
    }
    return Optional.of(Duration.ofNanos((long) (seconds * NANOS_PER_SECOND)));
  }

  /** A header has no agreed encoding beyond ASCII, and the same name must mean the same session. */
  private static String checkHeader(String header, String name) {
    if (!name.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      throw ApiException.invalid(
          header,
          "the header %s must be printable ASCII; other names go in the body".formatted(header));
    }
    return checkName(header, name);
  }

  /**
   * Checks the name of a session or a tenant.
   *
   * @param where the field or header that has it
   */
  static String checkName(String where, String name) {
    if (name.isEmpty() || name.length() > Terms.MAX_NAME) {
      throw ApiException.invalid(
          where,
          "%s has %d characters, must have from 1 to %d"
              .formatted(where, name.length(), Terms.MAX_NAME));
    }
    if (name.chars().anyMatch(Character::isISOControl)) {
      throw ApiException.invalid(where, where + " must not have control characters");
    }
    return name;
  }
}
