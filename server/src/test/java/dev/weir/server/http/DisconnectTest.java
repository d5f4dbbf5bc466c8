package dev.weir.server.http;

import static dev.weir.server.http.ServerFixture.options;
import static dev.weir.server.http.ServerFixture.respond;
import static dev.weir.server.http.ServerFixture.serve;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.util.ResourceLeakDetector;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A client that goes away is noticed without a write, and leaves nothing behind. */
final class DisconnectTest {
  private enum Leaving {
    CLOSE {
      @Override
      void leave(RawClient client) throws IOException {
        client.leave();
      }
    },
    RESET {
      @Override
      void leave(RawClient client) throws IOException {
        client.reset();
      }
    },
    HALF_CLOSE {
      @Override
      void leave(RawClient client) throws IOException {
        client.halfClose();
      }
    };

    abstract void leave(RawClient client) throws IOException;
  }

  @BeforeAll
  static void watchEveryBuffer() {
    ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.PARANOID);
  }

  @AfterAll
  static void watchNoMore() {
    ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.SIMPLE);
  }

  @Test
  void whileTheRequestIsQueuedItIsNoticedWithoutAWrite() throws Exception {
    for (Leaving leaving : Leaving.values()) {
      CountDownLatch queued = new CountDownLatch(1);
      CountDownLatch noticed = new CountDownLatch(1);
      AtomicBoolean flagged = new AtomicBoolean();
      try (ServerFixture fixture =
              serve(
                  e -> {
                    e.onDisconnect(noticed::countDown);
                    queued.countDown();
                    ServerFixture.await(noticed);
                    flagged.set(e.isDisconnected());
                    assertThatThrownBy(() -> respond(e, "late"))
                        .isInstanceOf(ClientGoneException.class);
                  });
          RawClient client = RawClient.connect(fixture.server())) {
        client.get("/");
        ServerFixture.await(queued);
        leaving.leave(client);
        ServerFixture.await(noticed);
        ServerFixture.await("handler ended", () -> fixture.server().stats().activeExchanges() == 0);
        assertThat(flagged).isTrue();
      }
    }
  }

  @Test
  void onAReusedConnectionItIsNoticedToo() throws Exception {
    CountDownLatch noticed = new CountDownLatch(1);
    CountDownLatch queued = new CountDownLatch(1);
    try (ServerFixture fixture =
            serve(
                e -> {
                  if (e.path().equals("/quick")) {
                    e.onDisconnect(() -> noticed.countDown());
                    respond(e, "quick");
                    return;
                  }
                  CountDownLatch mine = new CountDownLatch(1);
                  e.onDisconnect(mine::countDown);
                  queued.countDown();
                  ServerFixture.await(mine);
                });
        RawClient client = RawClient.connect(fixture.server())) {
      client.get("/quick").readResponse();
      client.get("/quick").readResponse();
      client.get("/slow");
      ServerFixture.await(queued);
      client.leave();
      ServerFixture.await("handler ended", () -> fixture.server().stats().activeExchanges() == 0);
      assertThat(noticed.getCount()).as("an answered exchange hears of no disconnect").isOne();
    }
  }

  @Test
  void inTheMiddleOfAStreamItIsNoticedBetweenTwoWrites() throws Exception {
    for (Leaving leaving : Leaving.values()) {
      CountDownLatch noticed = new CountDownLatch(1);
      CountDownLatch ended = new CountDownLatch(1);
      try (ServerFixture fixture =
              serve(
                  e -> {
                    e.onDisconnect(noticed::countDown);
                    ResponseStream stream = e.startStream(200, "text/event-stream", Map.of());
                    stream.write("data: 1\n\n".getBytes(StandardCharsets.UTF_8));
                    ServerFixture.await(noticed);
                    assertThatThrownBy(() -> stream.write(new byte[] {1}))
                        .isInstanceOf(ClientGoneException.class);
                    assertThatThrownBy(stream::close).isInstanceOf(ClientGoneException.class);
                    ended.countDown();
                  });
          RawClient client = RawClient.connect(fixture.server())) {
        client.get("/").readUntil("data: 1\n\n");
        leaving.leave(client);
        ServerFixture.await(noticed);
        ServerFixture.await(ended);
      }
    }
  }

  @Test
  void aWatcherThatComesTooLateIsToldAtOnceAndEachIsToldOnce() throws Exception {
    AtomicInteger calls = new AtomicInteger();
    CountDownLatch queued = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    try (ServerFixture fixture =
            serve(
                e -> {
                  CountDownLatch noticed = new CountDownLatch(1);
                  e.onDisconnect(calls::incrementAndGet);
                  e.onDisconnect(
                      () -> {
                        throw new IllegalStateException("on purpose");
                      });
                  e.onDisconnect(noticed::countDown);
                  queued.countDown();
                  ServerFixture.await(noticed);
                  e.onDisconnect(calls::incrementAndGet);
                  ended.countDown();
                });
        RawClient client = RawClient.connect(fixture.server())) {
      client.get("/");
      ServerFixture.await(queued);
      client.leave();
      ServerFixture.await(ended);
      ServerFixture.await("both watchers told", () -> calls.get() == 2);
    }
    assertThat(calls).hasValue(2);
  }

  @Test
  void aClientThatLeavesInTheMiddleOfItsRequestReachesNoHandler() throws Exception {
    AtomicInteger handled = new AtomicInteger();
    try (ServerFixture fixture = serve(e -> handled.incrementAndGet())) {
      for (String part :
          new String[] {
            "",
            "GET / HT",
            "GET / HTTP/1.1\r\nHost: w\r\n",
            "POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 10\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"
          }) {
        for (Leaving leaving : Leaving.values()) {
          try (RawClient client = RawClient.connect(fixture.server())) {
            client.send(part);
            leaving.leave(client);
          }
        }
      }
    }
    assertThat(handled).hasValue(0);
  }

  @Test
  void twoThousandDisconnectsLeaveNothingBehind() throws Exception {
    AtomicInteger noticed = new AtomicInteger();
    AtomicInteger watched = new AtomicInteger();
    try (ServerFixture fixture =
        serve(
            options(),
            e -> {
              CountDownLatch mine = new CountDownLatch(1);
              watched.incrementAndGet();
              e.onDisconnect(
                  () -> {
                    noticed.incrementAndGet();
                    mine.countDown();
                  });
              if (e.path().equals("/stream")) {
                ResponseStream stream = e.startStream(200, "text/event-stream", Map.of());
                while (mine.getCount() > 0) {
                  stream.write("data: token\n\n".getBytes(StandardCharsets.UTF_8));
                }
              }
              ServerFixture.await(mine);
            })) {
      for (int i = 0; i < 2000; i++) {
        try (RawClient client = RawClient.connect(fixture.server())) {
          if (i % 2 == 0) {
            client.get("/stream").readUntil("data: token\n\n");
          } else {
            int before = watched.get();
            client.get("/queued");
            ServerFixture.await("request queued", () -> watched.get() > before);
          }
          if (i % 3 == 0) {
            client.reset();
          }
        }
      }
      ServerFixture.await(
          "all handlers ended", () -> fixture.server().stats().activeExchanges() == 0);
      ServerFixture.await("all disconnects noticed", () -> noticed.get() == 2000);
    }
  }
}
