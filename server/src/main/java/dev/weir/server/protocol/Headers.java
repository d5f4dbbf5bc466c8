package dev.weir.server.protocol;

import java.util.List;
import java.util.Optional;

/** The headers that came with a request. */
@FunctionalInterface
public interface Headers {
  /** A request without any. */
  Headers NONE = _ -> List.of();

  /** All values of a header, name in any case, in order. */
  List<String> all(String name);

  /**
   * The value of a header that has only one meaning.
   *
   * @throws ApiException 400 if it is there twice with different values
   */
  default Optional<String> one(String name) {
    List<String> values = all(name);
    if (values.stream().distinct().count() > 1) {
      throw ApiException.invalid(
          name,
          "the header %s is there twice, as %s and as %s; send it once"
              .formatted(
                  name,
                  ApiException.excerpt(values.getFirst()),
                  ApiException.excerpt(values.getLast())));
    }
    return values.stream().findFirst();
  }
}
