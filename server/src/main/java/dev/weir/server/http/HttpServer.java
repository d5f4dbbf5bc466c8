package dev.weir.server.http;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An HTTP/1.1 server. A few platform threads move bytes; each request is handled by a virtual
 * thread of its own, one request of a connection after the other (a client may pipeline a few).
 *
 * <p><b>When a client counts as gone.</b> When its connection is closed or reset, and also when it
 * only shuts down its writing side: the two look the same until something is written, and an
 * abandoned request must stop while it is still queued. A client that half-closes gets no answer.
 *
 * <p><b>JVM flags.</b> On JDK 25 pass {@code --enable-native-access=ALL-UNNAMED}: Netty then frees
 * off-heap memory by a direct call; without it, by closing a shared arena, which stops every thread
 * for a handshake (measured for an allocation and its free: 16 µs against 283 µs). {@code
 * --sun-misc-unsafe-memory-access=allow} halves the 16 µs again; neither flag is needed to avoid a
 * warning, and pooling makes both rare.
 */
// A failed write or close ends the channel, and that is seen in channelInactive.
@SuppressWarnings("FutureReturnValueIgnored")
public final class HttpServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HttpServer.class);

  private static final int PAGE_BYTES = 8 << 10;

  /** 512 KiB chunks instead of Netty's 4 MiB: a token stream needs a few pages per connection. */
  private static final int CHUNK_ORDER = 6;

  /** Freed buffers that an event loop keeps at hand, per size. */
  private static final int CACHED_SMALL_BUFFERS = 64;

  private static final int CACHED_NORMAL_BUFFERS = 8;

  /** Connections that the kernel completes before they are accepted. */
  private static final int ACCEPT_BACKLOG = 512;

  private final HttpOptions options;
  private final Handler handler;
  private final ErrorBody errorBody;
  private final EventLoopGroup eventLoops;
  private final PooledByteBufAllocator allocator;
  private final ExecutorService handlers;
  private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
  private volatile boolean closing;
  private final AtomicInteger openConnections = new AtomicInteger();
  private final AtomicInteger activeExchanges = new AtomicInteger();
  private final Channel listener;

  private HttpServer(HttpOptions options, Handler handler, ErrorBody errorBody) throws IOException {
    this.options = options;
    this.handler = handler;
    this.errorBody = errorBody;
    eventLoops =
        new MultiThreadIoEventLoopGroup(
            options.eventLoopThreads(),
            // Netty's own kind of thread: its buffer caches work on no other.
            new DefaultThreadFactory("weir-http", true),
            NioIoHandler.newFactory());
    // Buffers live on the event loops only; handlers' threads wrap plain arrays.
    allocator =
        new PooledByteBufAllocator(
            true,
            0,
            options.eventLoopThreads(),
            PAGE_BYTES,
            CHUNK_ORDER,
            CACHED_SMALL_BUFFERS,
            CACHED_NORMAL_BUFFERS,
            false);
    handlers =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("weir-request-", 0).factory());
    ChannelFuture bound = bootstrap().bind(options.host(), options.port()).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      handlers.close();
      eventLoops.shutdownGracefully(0, 0, TimeUnit.SECONDS);
      throw new IOException(
          "cannot listen on %s:%d".formatted(options.host(), options.port()), bound.cause());
    }
    listener = bound.channel();
  }

  /**
   * Binds and begins to serve.
   *
   * @param errorBody writes the errors that no handler sees
   * @throws IOException if the address cannot be bound
   */
  public static HttpServer start(HttpOptions options, Handler handler, ErrorBody errorBody)
      throws IOException {
    return new HttpServer(options, handler, errorBody);
  }

  private ServerBootstrap bootstrap() {
    return new ServerBootstrap()
        .group(eventLoops)
        .channel(NioServerSocketChannel.class)
        .option(ChannelOption.SO_BACKLOG, ACCEPT_BACKLOG)
        .option(ChannelOption.SO_REUSEADDR, true)
        .childOption(ChannelOption.ALLOCATOR, allocator)
        .childOption(ChannelOption.TCP_NODELAY, true)
        .childOption(ChannelOption.SO_KEEPALIVE, true)
        .childOption(
            ChannelOption.WRITE_BUFFER_WATER_MARK,
            new WriteBufferWaterMark(options.writeLowWatermark(), options.writeHighWatermark()))
        .childHandler(
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                accept(channel);
              }
            });
  }

  private void accept(Channel channel) {
    int open = openConnections.incrementAndGet();
    channel.closeFuture().addListener(closed -> openConnections.decrementAndGet());
    if (open > options.maxConnections()) {
      refuse(channel);
      return;
    }
    Connection connection = new Connection(this, channel);
    connections.add(connection);
    channel.closeFuture().addListener(closed -> connections.remove(connection));
    if (closing) {
      channel.close(); // accepted before the listener closed, and too late to be told
      return;
    }
    channel.pipeline().addLast(new ByteMeter(connection), new RequestDecoder(options), connection);
  }

  private void refuse(Channel channel) {
    byte[] json =
        errorBody.json(
            503, "the server has its maximum of " + options.maxConnections() + " connections");
    byte[] head =
        ResponseHead.encode(
            503,
            ErrorBody.CONTENT_TYPE,
            Map.of("Retry-After", "1"),
            ResponseHead.Framing.LENGTH,
            json.length,
            false,
            Instant.now());
    channel
        .eventLoop()
        .execute(
            () ->
                channel
                    .writeAndFlush(Unpooled.wrappedBuffer(head, json))
                    .addListener(ChannelFutureListener.CLOSE));
  }

  /** The port in use, also where 0 was asked for. */
  public int port() {
    return ((InetSocketAddress) listener.localAddress()).getPort();
  }

  /** What the server holds right now. */
  public HttpStats stats() {
    return new HttpStats(
        openConnections.get(), activeExchanges.get(), allocator.pinnedDirectMemory());
  }

  /** For tests. */
  Set<Connection> connections() {
    return connections;
  }

  HttpOptions options() {
    return options;
  }

  Handler handler() {
    return handler;
  }

  ErrorBody errorBody() {
    return errorBody;
  }

  /** Runs an exchange on a virtual thread of its own. */
  void execute(NettyExchange exchange) {
    activeExchanges.incrementAndGet();
    try {
      handlers.execute(exchange);
    } catch (RejectedExecutionException e) {
      activeExchanges.decrementAndGet();
      throw e;
    }
  }

  void exchangeEnded() {
    activeExchanges.decrementAndGet();
  }

  void notifyDisconnect(Runnable actions) {
    // Not the handlers' executor: after its shutdown, the last ones still must hear of the end.
    Thread.ofVirtual().name("weir-disconnect").start(actions);
  }

  /**
   * Stops accepting, closes idle connections, gives running exchanges {@link
   * HttpOptions#shutdownTimeout()} to end, then closes theirs. Returns when all handlers have
   * ended, or were interrupted and still did not within that time again.
   */
  @Override
  public void close() {
    listener.close().awaitUninterruptibly();
    closing = true;
    connections.forEach(Connection::shutDown);
    long end = System.nanoTime() + options.shutdownTimeout().toNanos();
    for (Connection connection : connections) {
      long left = Math.max(0, end - System.nanoTime());
      connection.channel().closeFuture().awaitUninterruptibly(left, TimeUnit.NANOSECONDS);
    }
    connections.forEach(Connection::abort);
    handlers.shutdown();
    if (!awaitHandlers(options.shutdownTimeout())) {
      handlers.shutdownNow();
      if (!awaitHandlers(options.shutdownTimeout())) {
        log.error("{} handlers did not end after an interrupt", activeExchanges.get());
      }
    }
    eventLoops
        .shutdownGracefully(0, options.shutdownTimeout().toMillis(), TimeUnit.MILLISECONDS)
        .awaitUninterruptibly();
  }

  private boolean awaitHandlers(Duration limit) {
    try {
      return handlers.awaitTermination(limit.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
