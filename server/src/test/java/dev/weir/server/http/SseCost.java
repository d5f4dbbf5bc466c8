package dev.weir.server.http;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Measures what one SSE event costs this process in CPU time, with 64 clients (in a process of
 * their own, on loopback) that each get one event per step, as tokens of a batch would arrive: one
 * thread hands every stream its event, the streams' virtual threads write them. Run {@link #main};
 * it prints microseconds of process CPU time per event beside the bar.
 */
final class SseCost {
  private static final int STREAMS = 64;
  private static final int WARM_UP_STEPS = 3000;
  private static final int STEPS = 5000;

  /** What a bare JDK HTTP server costs in the same shape; Weir's has to see disconnects as well. */
  private static final double BAR_MICROS = 60;

  private static final byte[] EVENT =
      ("data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\","
              + "\"created\":1767225600,\"model\":\"weir-default\",\"choices\":[{\"index\":0,"
              + "\"delta\":{\"content\":\" river\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n")
          .getBytes(StandardCharsets.UTF_8);

  private SseCost() {}

  /** Runs the measurement; with the argument {@code clients PORT}, the clients' process. */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length == 2) {
      readStreams(Integer.parseInt(arguments[1]));
      return;
    }
    List<BlockingQueue<byte[]>> streams = new CopyOnWriteArrayList<>();
    CountDownLatch ended = new CountDownLatch(STREAMS);
    byte[] end = new byte[0];
    Handler handler =
        exchange -> {
          BlockingQueue<byte[]> events = new ArrayBlockingQueue<>(1024);
          try (ResponseStream stream = exchange.startStream(200, "text/event-stream", Map.of())) {
            streams.add(events);
            byte[] event = events.take();
            while (event.length > 0) {
              stream.write(event);
              event = events.take();
            }
          }
          ended.countDown();
        };
    try (HttpServer server =
        HttpServer.start(
            HttpOptions.on("127.0.0.1", 0),
            handler,
            (_, message) -> message.getBytes(StandardCharsets.UTF_8))) {
      Process clients =
          new ProcessBuilder(
                  ProcessHandle.current().info().command().orElse("java"),
                  "-XX:+UseSerialGC",
                  "-cp",
                  System.getProperty("java.class.path"),
                  SseCost.class.getName(),
                  "clients",
                  String.valueOf(server.port()))
              .inheritIO()
              .start();
      while (streams.size() < STREAMS) {
        LockSupport.parkNanos(1_000_000);
      }
      run(streams, WARM_UP_STEPS, 1_000_000);
      for (int stepMillis : new int[] {10, 2}) {
        report(stepMillis, run(streams, STEPS / stepMillis * 2, stepMillis * 1_000_000L));
      }
      for (BlockingQueue<byte[]> stream : streams) {
        stream.put(end);
      }
      ended.await();
      clients.waitFor();
    }
  }

  private static void report(int stepMillis, double micros) {
    System.out.printf(
        "%d streams, one event of %d bytes each per %d ms: %.1f us of CPU per event (bar: %.0f us)%n",
        STREAMS, EVENT.length, stepMillis, micros, BAR_MICROS);
  }

  /** Process CPU time per event in microseconds. */
  private static double run(List<BlockingQueue<byte[]>> streams, int steps, long stepNanos)
      throws InterruptedException {
    OperatingSystemMXBean process =
        ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
    long before = process.getProcessCpuTime();
    long next = System.nanoTime();
    for (int step = 0; step < steps; step++) {
      for (BlockingQueue<byte[]> stream : streams) {
        stream.put(EVENT);
      }
      next += stepNanos;
      LockSupport.parkNanos(next - System.nanoTime());
    }
    return (process.getProcessCpuTime() - before) / 1e3 / ((double) steps * streams.size());
  }

  private static void readStreams(int port) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(64 << 10);
    byte[] request =
        "GET / HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"
            .getBytes(StandardCharsets.UTF_8);
    try (Selector selector = Selector.open()) {
      for (int i = 0; i < STREAMS; i++) {
        SocketChannel channel =
            SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        channel.write(ByteBuffer.wrap(request));
        channel.configureBlocking(false);
        channel.register(selector, SelectionKey.OP_READ);
      }
      AtomicInteger open = new AtomicInteger(STREAMS);
      while (open.get() > 0) {
        selector.select(
            key -> {
              try {
                SocketChannel channel = (SocketChannel) key.channel();
                if (channel.read(buffer.clear()) < 0) {
                  channel.close();
                  open.decrementAndGet();
                }
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
      }
    }
  }
}
