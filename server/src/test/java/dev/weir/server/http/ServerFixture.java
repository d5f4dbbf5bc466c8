package dev.weir.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A server on a free port that, when closed, must hold nothing any more. */
record ServerFixture(HttpServer server) implements AutoCloseable {
  static final ErrorBody ERRORS =
      (status, message) -> ("{\"error\":\"" + message + "\"}").getBytes(StandardCharsets.UTF_8);

  static HttpOptions.Builder options() {
    return HttpOptions.builder("127.0.0.1", 0).shutdownTimeout(Duration.ofSeconds(30));
  }

  static ServerFixture serve(Handler handler) throws Exception {
    return serve(options(), handler);
  }

  static ServerFixture serve(HttpOptions.Builder options, Handler handler) throws Exception {
    return new ServerFixture(HttpServer.start(options.build(), handler, ERRORS));
  }

  static void respond(Exchange exchange, String text) throws ClientGoneException {
    exchange.respond(200, "text/plain", text.getBytes(StandardCharsets.UTF_8), Map.of());
  }

  static void await(CountDownLatch latch) throws InterruptedException {
    assertThat(latch.await(RawClient.PATIENCE_MILLIS, TimeUnit.MILLISECONDS)).isTrue();
  }

  static void await(String what, BooleanSupplier condition) {
    for (int i = 0; i < RawClient.PATIENCE_MILLIS && !condition.getAsBoolean(); i++) {
      LockSupport.parkNanos(1_000_000);
    }
    assertThat(condition.getAsBoolean()).as(what).isTrue();
  }

  @Override
  public void close() {
    server.close();
    await("all handlers ended", () -> server.stats().activeExchanges() == 0);
    await("all connections closed", () -> server.stats().openConnections() == 0);
    await("all buffers returned", () -> server.stats().directBytes() == 0);
  }
}
