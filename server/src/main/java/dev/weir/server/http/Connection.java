package dev.weir.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One socket: reads requests, hands them over one after the other, and keeps at most one deadline,
 * that of the phase it is in. Reading never stops, because a closed socket is only seen by reading;
 * so what is read while a request is handled is bounded here. Everything runs on the channel's
 * event loop unless said otherwise.
 */
// A failed write or close ends the channel, and that is seen in channelInactive.
@SuppressWarnings("FutureReturnValueIgnored")
final class Connection extends ChannelInboundHandlerAdapter {
  private static final Logger log = LoggerFactory.getLogger(Connection.class);

  /** Requests decoded ahead of their turn; as small ones weigh more decoded than as bytes. */
  private static final int MAX_PIPELINED_REQUESTS = 16;

  private enum Phase {
    /** Waiting for a request's head, or in the middle of it. */
    HEAD,
    /** Reading a request's body. */
    BODY,
    /** A handler has the request, or its answer is on its way out. */
    HANDLING,
    /** The last answer is out; reading on only so that the client can read it. */
    CLOSING
  }

  private final HttpServer server;
  private final HttpOptions options;
  private final Channel channel;

  private Phase phase = Phase.HEAD;
  private boolean headStarted;
  private @Nullable RequestHead head;
  private BodyBuffer body = new BodyBuffer(0);
  private int bodyAtWindowStart;
  private @Nullable NettyExchange exchange;
  private final ArrayDeque<HttpObject> pipelined = new ArrayDeque<>();
  private int pipelinedRequests;
  private int bytesReadAhead;
  private boolean readsNoFurther;
  private long bytesDiscarded;
  private @Nullable Future<?> deadline;

  /** Read by handlers' threads to announce the close in the answer's head. */
  private volatile boolean closeAfterAnswer;

  Connection(HttpServer server, Channel channel) {
    this.server = server;
    this.options = server.options();
    this.channel = channel;
  }

  /** From any thread. */
  Channel channel() {
    return channel;
  }

  /** From any thread: whether the connection may live on after its current answer. */
  boolean keepsAlive() {
    return !closeAfterAnswer;
  }

  /** From any thread: drops the connection; a client in the middle of an answer sees it cut. */
  void abort() {
    channel.close();
  }

  @Override
  public void channelActive(ChannelHandlerContext context) {
    startDeadline(options.headerTimeout(), this::headIsLate);
  }

  /** Whether bytes that just arrived may go to the decoder. */
  boolean admit(int bytes) {
    return switch (phase) {
      case HEAD -> {
        if (!headStarted) {
          headStarted = true;
          startDeadline(options.headerTimeout(), this::headIsLate);
        }
        yield true;
      }
      case BODY -> true;
      case HANDLING -> {
        if (!readsNoFurther) {
          bytesReadAhead += bytes;
          if (bytesReadAhead > options.maxPipelinedBytes()) {
            stopReadingAhead();
          }
        }
        yield !readsNoFurther || discard(bytes);
      }
      case CLOSING -> discard(bytes);
    };
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    HttpObject part = (HttpObject) message;
    if (phase == Phase.HANDLING && !readsNoFurther) {
      pipelined.add(part);
      if (part instanceof HttpRequest && ++pipelinedRequests > MAX_PIPELINED_REQUESTS) {
        stopReadingAhead();
      }
    } else {
      process(part);
    }
  }

  private void process(HttpObject part) {
    try {
      if (phase == Phase.CLOSING || phase == Phase.HANDLING || !channel.isActive()) {
        return;
      }
      if (part instanceof HttpRequest request) {
        beginRequest(request);
      }
      if (part instanceof HttpContent content && phase == Phase.BODY) {
        readBody(content);
      }
    } catch (RequestHead.Refused refused) {
      refuse(refused.status, refused.reason);
    } finally {
      ReferenceCountUtil.release(part);
    }
  }

  private void beginRequest(HttpRequest request) throws RequestHead.Refused {
    RequestHead received = RequestHead.of(request, options);
    head = received;
    body = new BodyBuffer(options.maxBodyBytes());
    bodyAtWindowStart = 0;
    phase = Phase.BODY;
    if (received.expectsContinue() && received.contentLength() != 0) {
      channel.writeAndFlush(Unpooled.wrappedBuffer(ResponseHead.CONTINUE));
    }
    startDeadline(options.bodyTimeout(), this::bodyWindowEnded);
  }

  private void readBody(HttpContent content) throws RequestHead.Refused {
    RequestHead.checkDecoded(content.decoderResult(), options);
    if (!body.append(content.content())) {
      throw RequestHead.tooLarge(options);
    }
    if (content instanceof LastHttpContent && head != null) {
      cancelDeadline();
      phase = Phase.HANDLING;
      NettyExchange next = new NettyExchange(this, server, head, body.toBytes());
      exchange = next;
      head = null;
      body = new BodyBuffer(0);
      try {
        server.execute(next);
      } catch (RejectedExecutionException e) {
        exchange = null;
        throw new RequestHead.Refused(503, "the server is shutting down");
      }
    }
  }

  private void bodyWindowEnded() {
    if (body.size() - bodyAtWindowStart >= options.minBodyBytesPerTimeout()) {
      bodyAtWindowStart = body.size();
      startDeadline(options.bodyTimeout(), this::bodyWindowEnded);
    } else {
      refuse(
          408,
          "the request body stalled: fewer than %d bytes in %d ms"
              .formatted(options.minBodyBytesPerTimeout(), options.bodyTimeout().toMillis()));
    }
  }

  private void headIsLate() {
    if (headStarted) {
      refuse(
          408,
          "the request's headers took longer than " + options.headerTimeout().toMillis() + " ms");
    } else {
      channel.close();
    }
  }

  /** Answers for the request being read, without a handler, and closes. */
  private void refuse(int status, String reason) {
    log.debug("{} refused with {}: {}", channel.remoteAddress(), status, reason);
    phase = Phase.CLOSING;
    cancelDeadline();
    byte[] json = server.errorBody().json(status, reason);
    byte[] bytes =
        ResponseHead.encode(
            status,
            ErrorBody.CONTENT_TYPE,
            Map.of(),
            ResponseHead.Framing.LENGTH,
            json.length,
            false,
            Instant.now());
    boolean onlyHead = head != null && head.isHead();
    head = null;
    body = new BodyBuffer(0);
    startDeadline(options.lingerTimeout(), channel::close);
    channel
        .writeAndFlush(Unpooled.wrappedBuffer(bytes, onlyHead ? new byte[0] : json))
        .addListener(done -> linger());
  }

  /**
   * Ends the writing side and reads on for a while: closing with unread bytes in the socket would
   * make the kernel send a reset, which can overtake the answer (RFC 9112, section 9.6).
   */
  private void linger() {
    phase = Phase.CLOSING;
    dropPipelined();
    if (channel.isActive() && channel instanceof SocketChannel socket) {
      socket.shutdownOutput();
      startDeadline(options.lingerTimeout(), channel::close);
    }
  }

  /**
   * From any thread, once per exchange: writes the last bytes of its answer, then goes on to the
   * next request or closes.
   */
  void writeLast(NettyExchange answered, ByteBuf bytes, boolean keepAlive) {
    channel
        .eventLoop()
        .execute(
            () -> {
              if (exchange == answered) {
                startDeadline(options.slowClientTimeout(), this::answerIsLate);
              }
              channel
                  .writeAndFlush(bytes)
                  .addListener((ChannelFuture done) -> answered(answered, done, keepAlive));
            });
  }

  private void answered(NettyExchange answered, ChannelFuture written, boolean keepAlive) {
    if (!written.isSuccess()) {
      channel.close();
      return;
    }
    if (exchange != answered) {
      return;
    }
    cancelDeadline();
    exchange = null;
    if (readsNoFurther || (!keepAlive && !pipelined.isEmpty())) {
      linger();
    } else if (!keepAlive || closeAfterAnswer) {
      channel.close();
    } else {
      nextRequest();
    }
  }

  private void nextRequest() {
    phase = Phase.HEAD;
    headStarted = bytesReadAhead > 0;
    startDeadline(
        headStarted ? options.headerTimeout() : options.keepAliveTimeout(), this::headIsLate);
    while (phase != Phase.HANDLING && !pipelined.isEmpty()) {
      HttpObject part = pipelined.remove();
      if (part instanceof HttpRequest) {
        pipelinedRequests--;
      }
      process(part);
    }
    if (pipelined.isEmpty()) {
      bytesReadAhead = 0;
    }
  }

  private void answerIsLate() {
    log.info("{} does not read its answer: closed", channel.remoteAddress());
    channel.close();
  }

  private void stopReadingAhead() {
    closeAfterAnswer = true;
    dropPipelined();
    readsNoFurther = true;
  }

  /** Counts bytes that nobody will see; always false. */
  private boolean discard(int bytes) {
    bytesDiscarded += bytes;
    if (bytesDiscarded > options.maxDiscardedBytes()) {
      channel.close();
    }
    return false;
  }

  private void dropPipelined() {
    pipelined.forEach(ReferenceCountUtil::release);
    pipelined.clear();
    pipelinedRequests = 0;
  }

  /** From any thread: no further requests; closes when the current one is answered. */
  void shutDown() {
    closeAfterAnswer = true;
    channel
        .eventLoop()
        .execute(
            () -> {
              if (phase == Phase.HEAD) {
                channel.close();
              }
            });
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext context) {
    if (exchange != null) {
      exchange.wakeWriter();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    cancelDeadline();
    dropPipelined();
    phase = Phase.CLOSING;
    NettyExchange unfinished = exchange;
    exchange = null;
    if (unfinished != null) {
      unfinished.disconnected();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    // A reset by the client is an everyday event; anything else would be a fault of ours.
    if (cause instanceof IOException) {
      log.debug("{} failed: {}", channel.remoteAddress(), cause.toString());
    } else {
      log.warn("connection of {} closed after an error", channel.remoteAddress(), cause);
    }
    channel.close();
  }

  private void startDeadline(Duration after, Runnable action) {
    cancelDeadline();
    deadline = channel.eventLoop().schedule(action, after.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void cancelDeadline() {
    if (deadline != null) {
      deadline.cancel(false);
      deadline = null;
    }
  }
}
