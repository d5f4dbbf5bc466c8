package dev.weir.server.http;

import java.time.Duration;

/**
 * Where to listen, and a limit for everything that a client can make the server hold or wait for.
 *
 * @param host address or name to bind
 * @param port port to bind; 0 picks a free one
 * @param eventLoopThreads threads that move bytes; they never run handlers
 * @param maxConnections open connections; one more is answered 503 and closed
 * @param maxRequestLineBytes length of the request line; beyond it 414
 * @param maxHeaderBytes all header lines together; beyond it 431
 * @param maxBodyBytes request body; beyond it 413, as soon as the length is known
 * @param maxPipelinedBytes bytes read ahead while a request is handled; a client that sends more
 *     gets its current answer, and then its connection is closed
 * @param maxDiscardedBytes bytes read and thrown away so that a refused client can read its answer
 * @param headerTimeout from a request's first byte (or the accepted connection) to its last header
 * @param bodyTimeout length of the window in which a body must arrive or grow by {@link
 *     #minBodyBytesPerTimeout}; else 408
 * @param minBodyBytesPerTimeout progress that a body must make in each window
 * @param keepAliveTimeout idle time between two requests of a connection
 * @param slowClientTimeout how long an answer waits for its client to read
 * @param lingerTimeout how long a refused client has to read its answer
 * @param shutdownTimeout how long running exchanges have to end when the server closes
 * @param writeLowWatermark outstanding bytes below which a blocked writer goes on
 * @param writeHighWatermark outstanding bytes per connection above which a writer blocks
 */
public record HttpOptions(
    String host,
    int port,
    int eventLoopThreads,
    int maxConnections,
    int maxRequestLineBytes,
    int maxHeaderBytes,
    int maxBodyBytes,
    int maxPipelinedBytes,
    long maxDiscardedBytes,
    Duration headerTimeout,
    Duration bodyTimeout,
    int minBodyBytesPerTimeout,
    Duration keepAliveTimeout,
    Duration slowClientTimeout,
    Duration lingerTimeout,
    Duration shutdownTimeout,
    int writeLowWatermark,
    int writeHighWatermark) {

  /** Checks that every limit is a limit. */
  public HttpOptions {
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException("port must be 0 to 65535, not " + port);
    }
    positive("eventLoopThreads", eventLoopThreads);
    positive("maxConnections", maxConnections);
    positive("maxRequestLineBytes", maxRequestLineBytes);
    positive("maxHeaderBytes", maxHeaderBytes);
    positive("maxBodyBytes", maxBodyBytes);
    positive("maxPipelinedBytes", maxPipelinedBytes);
    positive("maxDiscardedBytes", maxDiscardedBytes);
    positive("minBodyBytesPerTimeout", minBodyBytesPerTimeout);
    positive("headerTimeout", headerTimeout.toNanos());
    positive("bodyTimeout", bodyTimeout.toNanos());
    positive("keepAliveTimeout", keepAliveTimeout.toNanos());
    positive("slowClientTimeout", slowClientTimeout.toNanos());
    positive("lingerTimeout", lingerTimeout.toNanos());
    positive("shutdownTimeout", shutdownTimeout.toNanos());
    positive("writeLowWatermark", writeLowWatermark);
    if (writeHighWatermark < writeLowWatermark) {
      throw new IllegalArgumentException(
          "writeHighWatermark %d is below writeLowWatermark %d"
              .formatted(writeHighWatermark, writeLowWatermark));
    }
  }

  /** The defaults on an address. */
  public static HttpOptions on(String host, int port) {
    return new Builder(host, port).build();
  }

  /** A builder that starts from the defaults. */
  public static Builder builder(String host, int port) {
    return new Builder(host, port);
  }

  private static void positive(String name, long value) {
    if (value <= 0) {
      throw new IllegalArgumentException(name + " must be positive, not " + value);
    }
  }

  /** Sets the limits that differ from the defaults. */
  public static final class Builder {
    private final String host;
    private final int port;
    // Two loops move far more events than an engine makes tokens, and leave the cores to it.
    private int eventLoopThreads = 2;
    private int maxConnections = 1024;
    private int maxRequestLineBytes = 8 << 10;
    private int maxHeaderBytes = 32 << 10;
    private int maxBodyBytes = 32 << 20;
    private int maxPipelinedBytes = 64 << 10;
    private long maxDiscardedBytes = 8L << 20;
    private Duration headerTimeout = Duration.ofSeconds(10);
    private Duration bodyTimeout = Duration.ofSeconds(10);
    private int minBodyBytesPerTimeout = 1 << 10;
    private Duration keepAliveTimeout = Duration.ofSeconds(75);
    private Duration slowClientTimeout = Duration.ofSeconds(30);
    private Duration lingerTimeout = Duration.ofSeconds(2);
    private Duration shutdownTimeout = Duration.ofSeconds(10);
    private int writeLowWatermark = 32 << 10;
    private int writeHighWatermark = 64 << 10;

    private Builder(String host, int port) {
      this.host = host;
      this.port = port;
    }

    /** See {@link HttpOptions#eventLoopThreads()}. */
    public Builder eventLoopThreads(int threads) {
      eventLoopThreads = threads;
      return this;
    }

    /** See {@link HttpOptions#maxConnections()}. */
    public Builder maxConnections(int connections) {
      maxConnections = connections;
      return this;
    }

    /** See {@link HttpOptions#maxRequestLineBytes()}. */
    public Builder maxRequestLineBytes(int bytes) {
      maxRequestLineBytes = bytes;
      return this;
    }

    /** See {@link HttpOptions#maxHeaderBytes()}. */
    public Builder maxHeaderBytes(int bytes) {
      maxHeaderBytes = bytes;
      return this;
    }

    /** See {@link HttpOptions#maxBodyBytes()}. */
    public Builder maxBodyBytes(int bytes) {
      maxBodyBytes = bytes;
      return this;
    }

    /** See {@link HttpOptions#maxPipelinedBytes()}. */
    public Builder maxPipelinedBytes(int bytes) {
      maxPipelinedBytes = bytes;
      return this;
    }

    /** See {@link HttpOptions#maxDiscardedBytes()}. */
    public Builder maxDiscardedBytes(long bytes) {
      maxDiscardedBytes = bytes;
      return this;
    }

    /** See {@link HttpOptions#headerTimeout()}. */
    public Builder headerTimeout(Duration timeout) {
      headerTimeout = timeout;
      return this;
    }

    /** See {@link HttpOptions#bodyTimeout()} and {@link HttpOptions#minBodyBytesPerTimeout()}. */
    public Builder bodyTimeout(Duration timeout, int minBytes) {
      bodyTimeout = timeout;
      minBodyBytesPerTimeout = minBytes;
      return this;
    }

    /** See {@link HttpOptions#keepAliveTimeout()}. */
    public Builder keepAliveTimeout(Duration timeout) {
      keepAliveTimeout = timeout;
      return this;
    }

    /** See {@link HttpOptions#slowClientTimeout()}. */
    public Builder slowClientTimeout(Duration timeout) {
      slowClientTimeout = timeout;
      return this;
    }

    /** See {@link HttpOptions#lingerTimeout()}. */
    public Builder lingerTimeout(Duration timeout) {
      lingerTimeout = timeout;
      return this;
    }

    /** See {@link HttpOptions#shutdownTimeout()}. */
    public Builder shutdownTimeout(Duration timeout) {
      shutdownTimeout = timeout;
      return this;
    }

    /** See {@link HttpOptions#writeLowWatermark()} and {@link HttpOptions#writeHighWatermark()}. */
    public Builder writeWatermarks(int low, int high) {
      writeLowWatermark = low;
      writeHighWatermark = high;
      return this;
    }

    /** The options. */
    public HttpOptions build() {
      return new HttpOptions(
          host,
          port,
          eventLoopThreads,
          maxConnections,
          maxRequestLineBytes,
          maxHeaderBytes,
          maxBodyBytes,
          maxPipelinedBytes,
          maxDiscardedBytes,
          headerTimeout,
          bodyTimeout,
          minBodyBytesPerTimeout,
          keepAliveTimeout,
          slowClientTimeout,
          lingerTimeout,
          shutdownTimeout,
          writeLowWatermark,
          writeHighWatermark);
    }
  }
}
