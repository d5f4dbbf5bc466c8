package dev.weir.tests.bench.load;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.ObjectMapper;

/**
 * One streamed completion: when each piece of it arrived, and how it ended. A piece is a chunk that
 * carries text, which is one token on most servers; {@code usage} says how many tokens they were.
 * Each has a thread of its own, which blocks in the read, so that a piece is noted when it arrives.
 */
final class StreamedCompletion {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int OK = 200;

  private final Target target;
  private final Ask ask;
  private final Thread thread;
  private final HttpPost connection = new HttpPost();
  private final StreamReader reader = new StreamReader();
  private volatile boolean stopped;
  private volatile @Nullable Failure failure;
  private volatile long sent;
  private long[] arrivals = new long[64];
  private int count;

  private StreamedCompletion(Target target, Ask ask) {
    this.target = target;
    this.ask = ask;
    thread = Thread.ofPlatform().daemon().name("stream").unstarted(this::run);
  }

  /** Sends a request and reads its answer on a thread of its own. */
  static StreamedCompletion start(Target target, Ask ask) {
    StreamedCompletion completion = new StreamedCompletion(target, ask);
    completion.sent = System.nanoTime();
    completion.thread.start();
    return completion;
  }

  private void run() {
    try (connection) {
      Map<String, String> headers = new LinkedHashMap<>();
      headers.put("Content-Type", "application/json");
      if (ask.session() != null) {
        headers.put("X-Session-ID", ask.session());
      }
      byte[] body = JSON.writeValueAsBytes(ask.body(target));
      connection.send(target.at(ask.prompt().path()), headers, body, target.patience());
      if (connection.status() == OK) {
        read();
      } else {
        String first = connection.line();
        fail(Failure.ofStatus(connection.status(), first == null ? "" : first));
      }
    } catch (SocketTimeoutException late) {
      fail(new Failure(Failure.Kind.CLIENT_TIMEOUT, "no answer within " + target.patience()));
    } catch (IOException | RuntimeException broken) {
      fail(new Failure(Failure.Kind.CONNECTION, broken.toString()));
    }
  }

  private void read() throws IOException {
    for (String line = connection.line(); line != null; line = connection.line()) {
      if (reader.read(line)) {
        arrived(System.nanoTime());
      }
      if (reader.complete()) {
        break;
      }
    }
    if (reader.failure() != null) {
      fail(reader.failure());
    } else if (!reader.complete()) {
      fail(new Failure(Failure.Kind.CUT_OFF, "the stream ended without [DONE]"));
    }
  }

  private void fail(Failure cause) {
    failure = stopped ? null : cause;
  }

  private synchronized void arrived(long now) {
    if (count == arrivals.length) {
      arrivals = Arrays.copyOf(arrivals, 2 * count);
    }
    arrivals[count++] = now;
  }

  /** Closes the connection, on which a server should give up the request. */
  void stop() {
    stopped = true;
    connection.close();
  }

  /** Waits for the end; the request fails if it does not come within the target's patience. */
  StreamedCompletion await() throws InterruptedException {
    if (!thread.join(target.patience())) {
      stop();
      thread.join();
      failure = new Failure(Failure.Kind.CLIENT_TIMEOUT, "not done within " + target.patience());
    }
    return this;
  }

  boolean running() {
    return thread.isAlive();
  }

  /** When it was sent, in {@link System#nanoTime}. */
  long sent() {
    return sent;
  }

  /** When pieces arrived, in {@link System#nanoTime}, in order. */
  synchronized long[] arrivals() {
    return Arrays.copyOf(arrivals, count);
  }

  synchronized boolean answered() {
    return count > 0;
  }

  /** What went wrong; null if nothing did, or it was stopped. */
  @Nullable Failure failure() {
    return failure;
  }

  /** What the stream said; whole once {@link #await} has returned. */
  StreamReader said() {
    return reader;
  }
}
