package dev.weir.server.protocol;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** The parameters behind a path's question mark. */
public final class Query {
  /** Short enough for a long. */
  private static final Pattern NUMBER = Pattern.compile("-?\\d{1,18}");

  private Query() {}

  /**
   * A whole number.
   *
   * @param absent what it is where the query has none
   * @throws ApiException 400 if it is out of range, is no number, or is there twice
   */
  public static long integer(
      Map<String, List<String>> query, String name, long absent, long least, long most) {
    List<String> values = query.getOrDefault(name, List.of());
    if (values.isEmpty()) {
      return absent;
    }
    String text = values.getFirst();
    if (values.size() == 1 && NUMBER.matcher(text).matches()) {
      long value = Long.parseLong(text);
      if (value >= least && value <= most) {
        return value;
      }
    }
    throw ApiException.invalid(
        name,
        "%s is %s; it must be one whole number from %d to %d"
            .formatted(name, ApiException.excerpt(String.join(", ", values)), least, most));
  }
}
