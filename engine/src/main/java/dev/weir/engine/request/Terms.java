package dev.weir.engine.request;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * On what terms a request is served: whose it is, where it should run, and for how long.
 *
 * @param session what it is a turn of: the next turn finds the session's KV again, wherever it lies
 * @param tenant with whom it shares its turns of admission and prefill; absent: those of its
 *     session, or else of all who name neither
 * @param priority who goes first among equals: higher is sooner, and waiting makes up for any
 *     difference; see {@link Priority}
 * @param shard the only shard that it may run on; absent: wherever it is best placed
 * @param limits after how much time it ends unfinished
 */
public record Terms(
    Optional<String> session,
    Optional<String> tenant,
    int priority,
    OptionalInt shard,
    TimeLimits limits) {

  /** The longest name of a session or a tenant, in characters. */
  public static final int MAX_NAME = 256;

  /** Nobody's in particular, anywhere, for as long as it takes. */
  public static final Terms DEFAULT =
      new Terms(
          Optional.empty(),
          Optional.empty(),
          Priority.ORDINARY,
          OptionalInt.empty(),
          TimeLimits.NONE);

  public Terms {
    if (!Priority.isValid(priority)) {
      throw new InvalidRequestException(
          "priority",
          "the priority is %d, must be from %d to %d"
              .formatted(priority, Priority.LOWEST, Priority.HIGHEST));
    }
    checkName("session_id", session);
    checkName("tenant", tenant);
  }

  private static void checkName(String parameter, Optional<String> name) {
    if (name.isPresent() && (name.get().isEmpty() || name.get().length() > MAX_NAME)) {
      throw new InvalidRequestException(
          parameter,
          "%s has %d characters, must have from 1 to %d"
              .formatted(parameter, name.get().length(), MAX_NAME));
    }
  }

  /** These terms as a turn of a session. */
  public Terms withSession(String id) {
    return new Terms(Optional.of(id), tenant, priority, shard, limits);
  }

  /** These terms on one shard. */
  public Terms withShard(int number) {
    return new Terms(session, tenant, priority, OptionalInt.of(number), limits);
  }

  /** These terms with other time limits. */
  public Terms withLimits(TimeLimits value) {
    return new Terms(session, tenant, priority, shard, value);
  }

  /** These terms for a tenant. */
  public Terms withTenant(String name) {
    return new Terms(session, Optional.of(name), priority, shard, limits);
  }

  /** These terms with another priority. */
  public Terms withPriority(int value) {
    return new Terms(session, tenant, value, shard, limits);
  }
}
