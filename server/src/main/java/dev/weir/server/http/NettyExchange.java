package dev.weir.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One exchange, and the run of its handler. Between the handler's thread and the event loop there
 * are only volatile fields and park/unpark: an event loop must never wait for a lock whose holder
 * may be a virtual thread without a carrier.
 */
final class NettyExchange implements Exchange, Runnable {
  private static final Logger log = LoggerFactory.getLogger(NettyExchange.class);

  /** Largest piece written at once: what a slow client must read per slow-client timeout. */
  static final int MAX_PIECE_BYTES = 64 << 10;

  /** The actions to run when the client goes, newest first; ends in {@link #NOTHING}. */
  private static final class Watch {
    final Runnable action;
    final @Nullable Watch next;

    Watch(Runnable action, @Nullable Watch next) {
      this.action = action;
      this.next = next;
    }
  }

  private static final Watch NOTHING = new Watch(() -> {}, null);
  private static final Watch GONE = new Watch(() -> {}, null);

  private final Connection connection;
  private final HttpServer server;
  private final RequestHead head;
  private final byte[] body;
  private final Channel channel;
  private final AtomicBoolean begun = new AtomicBoolean();
  private final AtomicReference<Watch> watches = new AtomicReference<>(NOTHING);
  private volatile boolean lastWritten;
  private volatile @Nullable Thread writer;

  NettyExchange(Connection connection, HttpServer server, RequestHead head, byte[] body) {
    this.connection = connection;
    this.server = server;
    this.head = head;
    this.body = body;
    this.channel = connection.channel();
  }

  @Override
  public String method() {
    return head.method();
  }

  @Override
  public String path() {
    return head.path();
  }

  @Override
  public Map<String, List<String>> query() {
    return head.query();
  }

  @Override
  public @Nullable String header(String name) {
    return head.headers().get(name);
  }

  @Override
  public List<String> headers(String name) {
    return head.headers().getAll(name);
  }

  @Override
  public byte[] body() {
    return body;
  }

  @Override
  public String remoteAddress() {
    return String.valueOf(channel.remoteAddress());
  }

  /** The handler's thread starts here and ends here; whatever it did, the client gets an end. */
  @Override
  public void run() {
    try {
      server.handler().handle(this);
      if (!lastWritten && !isDisconnected()) {
        throw new IllegalStateException(
            begun.get() ? "the handler left its stream open" : "the handler gave no answer");
      }
    } catch (ClientGoneException e) {
      log.debug("{} {} by {}: {}", method(), path(), remoteAddress(), e.getMessage());
      if (!lastWritten) {
        connection.abort();
      }
    } catch (Throwable t) {
      log.error("{} {} failed", method(), path(), t);
      answerForFailedHandler();
    } finally {
      server.exchangeEnded();
    }
  }

  private void answerForFailedHandler() {
    if (begun.get()) {
      if (!lastWritten) {
        connection.abort();
      }
      return;
    }
    try {
      byte[] json = server.errorBody().json(500, "the server failed to handle the request");
      respond(500, ErrorBody.CONTENT_TYPE, json, Map.of());
    } catch (ClientGoneException | RuntimeException e) {
      connection.abort();
    }
  }

  @Override
  public void respond(int status, String contentType, byte[] content, Map<String, String> headers)
      throws ClientGoneException {
    boolean bodiless = status == 204 || status == 304;
    if (bodiless && content.length > 0) {
      throw new IllegalArgumentException("an answer with status " + status + " has no body");
    }
    boolean keepAlive = head.keepAlive() && connection.keepsAlive();
    byte[] responseHead =
        ResponseHead.encode(
            status,
            contentType,
            headers,
            bodiless ? ResponseHead.Framing.NONE : ResponseHead.Framing.LENGTH,
            content.length,
            keepAlive,
            Instant.now());
    begin();
    int length = head.isHead() ? 0 : content.length;
    ByteBuf piece = Unpooled.wrappedBuffer(responseHead);
    int sent = 0;
    while (length - sent > MAX_PIECE_BYTES) {
      ByteBuf slice = Unpooled.wrappedBuffer(content, sent, MAX_PIECE_BYTES);
      send(Unpooled.wrappedBuffer(piece, slice));
      piece = Unpooled.EMPTY_BUFFER;
      sent += MAX_PIECE_BYTES;
      awaitWritable();
    }
    ByteBuf rest = Unpooled.wrappedBuffer(content, sent, length - sent);
    sendLast(Unpooled.wrappedBuffer(piece, rest), keepAlive);
  }

  @Override
  public ResponseStream startStream(int status, String contentType, Map<String, String> headers)
      throws ClientGoneException {
    ResponseHead.Framing framing =
        head.chunkedReplies() ? ResponseHead.Framing.CHUNKED : ResponseHead.Framing.UNTIL_CLOSE;
    boolean keepAlive =
        head.keepAlive() && connection.keepsAlive() && framing == ResponseHead.Framing.CHUNKED;
    byte[] responseHead =
        ResponseHead.encode(status, contentType, headers, framing, 0, keepAlive, Instant.now());
    begin();
    send(Unpooled.wrappedBuffer(responseHead));
    return new BodyStream(this, head.isHead() ? ResponseHead.Framing.NONE : framing, keepAlive);
  }

  private void begin() throws ClientGoneException {
    if (!begun.compareAndSet(false, true)) {
      throw new IllegalStateException("the exchange has been answered already");
    }
    checkPresent();
  }

  private void checkPresent() throws ClientGoneException {
    if (isDisconnected() || !channel.isActive()) {
      throw new ClientGoneException("the client went away");
    }
  }

  /** Queues bytes; they count against the watermark from this moment. */
  void send(ByteBuf bytes) {
    // The void promise sends a failure to the pipeline's end, which closes the connection.
    var _ = channel.writeAndFlush(bytes, channel.voidPromise());
  }

  void sendLast(ByteBuf bytes, boolean keepAlive) {
    lastWritten = true;
    connection.writeLast(this, bytes, keepAlive);
  }

  /** Blocks while the client has more than the high watermark to read. One thread at a time. */
  void awaitWritable() throws ClientGoneException {
    checkPresent();
    if (channel.isWritable()) {
      return;
    }
    long limit = server.options().slowClientTimeout().toNanos();
    long start = System.nanoTime();
    writer = Thread.currentThread();
    try {
      while (!channel.isWritable()) {
        checkPresent();
        if (Thread.currentThread().isInterrupted()) {
          connection.abort();
          throw new ClientGoneException("interrupted while the client was reading");
        }
        long left = limit - (System.nanoTime() - start);
        if (left <= 0) {
          connection.abort();
          throw new SlowClientException(
              "the client did not read for "
                  + server.options().slowClientTimeout().toMillis()
                  + " ms");
        }
        LockSupport.parkNanos(this, left);
      }
    } finally {
      writer = null;
    }
  }

  /** On the event loop. */
  void wakeWriter() {
    Thread waiting = writer;
    if (waiting != null) {
      LockSupport.unpark(waiting);
    }
  }

  /** On the event loop: the connection ended before the answer did. */
  void disconnected() {
    Watch all = watches.getAndSet(GONE);
    wakeWriter();
    if (all != NOTHING) {
      server.notifyDisconnect(() -> runAll(all));
    }
  }

  private void runAll(Watch newest) {
    for (Watch watch = newest; watch != null; watch = watch.next) {
      try {
        watch.action.run();
      } catch (RuntimeException e) {
        log.error("{} {}: an action on disconnect failed", method(), path(), e);
      }
    }
  }

  @Override
  public void onDisconnect(Runnable action) {
    Watch known = watches.get();
    while (known != GONE) {
      if (watches.compareAndSet(known, new Watch(action, known))) {
        return;
      }
      known = watches.get();
    }
    action.run();
  }

  @Override
  public boolean isDisconnected() {
    return watches.get() == GONE;
  }
}
