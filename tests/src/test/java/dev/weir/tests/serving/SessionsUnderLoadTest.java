package dev.weir.tests.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.EngineOptions;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * Sessions are listed, looked at and deleted while their turns run and their KV is given away: each
 * answer is one that could be at some moment, and in the end nothing is held.
 */
class SessionsUnderLoadTest {
  private static final int SESSIONS = 60;
  private static final int CLIENTS = 6;
  private static final int TURNS_PER_CLIENT = 50;

  /** Where lookers are slow to see every kind of answer. */
  private static final int MOST_TURNS = 20 * TURNS_PER_CLIENT;

  private static final Set<Integer> STATUSES = Set.of(200, 204, 404, 410);
  private static final int LOOKERS = 2;
  private static final int SHARDS = 2;

  /** Blocks for a sixth of the sessions: the others' are given away again and again. */
  private static final long KV_BYTES = 3 << 20;

  @TempDir private Path folder;

  private static Map<String, Object> turn(Random random) {
    int session = random.nextInt(SESSIONS);
    Map<String, Object> body = new HashMap<>();
    body.put(
        "prompt",
        IntStream.range(0, 100 + random.nextInt(300))
            .mapToObj(i -> (i * 7 + session) % 251)
            .toList());
    body.put("max_tokens", 1 + random.nextInt(4));
    body.put("session_id", "session/" + session);
    return body;
  }

  private static String path(int session) {
    return "/v1/sessions/session%2F" + session;
  }

  /** What is wrong with a list; the active ones come first, then those that were active last. */
  private static void assertList(HttpResponse<String> reply, int limit) {
    assertThat(reply.statusCode()).isEqualTo(200);
    JsonNode list = WeirUnderTest.json(reply);
    Set<String> ids = new HashSet<>();
    boolean idle = false;
    double before = 0;
    for (JsonNode one : list.get("data")) {
      assertThat(ids.add(one.get("id").asString())).as("once: %s", one).isTrue();
      long tokens = one.get("tokens").asLong();
      assertThat(one.get("device_tokens").asLong() + one.get("host_tokens").asLong())
          .as(one.toString())
          .isBetween(0L, tokens);
      if (one.get("active_requests").asInt() == 0) {
        double since = one.get("idle_ms").asDouble();
        // Described in parts, between steps: a step's time apart at most.
        assertThat(since).isGreaterThanOrEqualTo(before);
        before = since;
        idle = true;
      } else {
        assertThat(idle).as("active ones come first").isFalse();
      }
    }
    assertThat(ids.size()).isLessThanOrEqualTo(Math.min(limit, SESSIONS));
    assertThat(list.get("total").asInt()).isBetween(ids.size(), SESSIONS);
  }

  @Test
  void whateverIsAskedOfSessionsWhileTheyRunIsAnsweredAsItCouldBe() throws Exception {
    EngineOptions options =
        EngineOptions.of(TinyModel.write(folder.resolve("tiny"), DType.F32, 1))
            .withSlots(4)
            .withShards(SHARDS)
            .withKvBytes(KV_BYTES)
            .withHostKvBytes(KV_BYTES / 4);
    Set<Integer> seen = ConcurrentHashMap.newKeySet();
    try (WeirUnderTest weir = WeirUnderTest.serve(options);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      AtomicBoolean over = new AtomicBoolean();
      List<Future<?>> clients = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        Random random = new Random(i);
        clients.add(
            threads.submit(
                () -> {
                  for (int turn = 0; turn < TURNS_PER_CLIENT || goesOn(seen, turn); turn++) {
                    HttpResponse<String> reply = weir.post("/v1/completions", turn(random));
                    assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
                  }
                  return null;
                }));
      }
      List<Future<?>> lookers = new ArrayList<>();
      for (int i = 0; i < LOOKERS; i++) {
        Random random = new Random(100 + i);
        lookers.add(
            threads.submit(
                () -> {
                  while (!over.get()) {
                    int limit = 1 + random.nextInt(2 * SESSIONS);
                    assertList(weir.get("/v1/sessions?limit=" + limit), limit);
                    HttpResponse<String> one =
                        random.nextInt(8) == 0
                            ? weir.delete(path(random.nextInt(SESSIONS)))
                            : weir.get(path(random.nextInt(SESSIONS)));
                    assertAnswer(one);
                    seen.add(one.statusCode());
                  }
                  return null;
                }));
      }
      for (Future<?> client : clients) {
        client.get();
      }
      over.set(true);
      for (Future<?> looker : lookers) {
        looker.get();
      }
      assertThat(seen).isEqualTo(STATUSES);

      for (int session = 0; session < SESSIONS; session++) {
        assertAnswer(weir.delete(path(session)));
        assertThat(weir.get(path(session)).statusCode()).isEqualTo(404);
      }
      HttpResponse<String> none = weir.get("/v1/sessions");
      assertList(none, SESSIONS);
      assertThat(WeirUnderTest.json(none).get("total").asInt()).isZero();
      assertThat(weir.engine().stats().heldBlocks()).isZero();
      for (JsonNode shard : WeirUnderTest.json(weir.get("/v1/weir/shards")).get("data")) {
        assertThat(shard.get("leased_blocks").asInt()).isZero();
      }
    }
  }

  private static boolean goesOn(Set<Integer> seen, int turn) {
    return turn < MOST_TURNS && !seen.containsAll(STATUSES);
  }

  private static void assertAnswer(HttpResponse<String> reply) {
    switch (reply.statusCode()) {
      case 200 -> assertThat(WeirUnderTest.json(reply).get("id").asString()).startsWith("session/");
      case 204 -> assertThat(reply.body()).isEmpty();
      case 404 -> assertThat(code(reply)).isEqualTo("session_not_found");
      case 410 -> {
        assertThat(code(reply)).isEqualTo("session_evicted");
        assertThat(reply.body()).contains("memory was needed");
      }
      default -> throw new AssertionError(reply.statusCode() + ": " + reply.body());
    }
  }

  private static String code(HttpResponse<String> reply) {
    return WeirUnderTest.json(reply).at("/error/code").asString();
  }
}
