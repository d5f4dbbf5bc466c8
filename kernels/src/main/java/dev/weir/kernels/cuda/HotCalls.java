package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.weir.bindings.cuda.CudaDriver;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The driver calls of a step, with every pointer a {@code long}: the generated bindings take
 * segments, which a caller would have to make for each call. Used once a {@link Context} is open,
 * so the driver is there.
 */
final class HotCalls {
  private static final MethodHandle SET_CONTEXT =
      bind(CudaDriver.cuCtxSetCurrent$address(), JAVA_LONG);

  private static final MethodHandle LAUNCH =
      bind(CudaDriver.cuLaunchKernelEx$address(), JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private static final MethodHandle LAUNCH_GRAPH =
      bind(CudaDriver.cuGraphLaunch$address(), JAVA_LONG, JAVA_LONG);

  private static final MethodHandle COPY_IN =
      bind(CudaDriver.cuMemcpyHtoDAsync_v2$address(), JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private static final MethodHandle COPY_OUT =
      bind(CudaDriver.cuMemcpyDtoHAsync_v2$address(), JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);

  private static final MethodHandle RECORD_EVENT =
      bind(CudaDriver.cuEventRecord$address(), JAVA_LONG, JAVA_LONG);

  private static final MethodHandle AWAIT_EVENT =
      bind(CudaDriver.cuEventSynchronize$address(), JAVA_LONG);

  private static final MethodHandle QUERY_EVENT =
      bind(CudaDriver.cuEventQuery$address(), JAVA_LONG);

  private static final MethodHandle WAIT_EVENT =
      bind(CudaDriver.cuStreamWaitEvent$address(), JAVA_LONG, JAVA_LONG, JAVA_INT);

  private static final MethodHandle COPY_PEER =
      bind(
          CudaDriver.cuMemcpyPeerAsync$address(),
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG);

  private static final int NO_FLAGS = 0;

  private HotCalls() {}

  static int setContext(long context) {
    try {
      return (int) SET_CONTEXT.invokeExact(context);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int launch(long configuration, long function, long parameters) {
    try {
      return (int) LAUNCH.invokeExact(configuration, function, parameters, 0L);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int launchGraph(long executable, long stream) {
    try {
      return (int) LAUNCH_GRAPH.invokeExact(executable, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int copyIn(long device, long host, long bytes, long stream) {
    try {
      return (int) COPY_IN.invokeExact(device, host, bytes, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int copyOut(long host, long device, long bytes, long stream) {
    try {
      return (int) COPY_OUT.invokeExact(host, device, bytes, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int recordEvent(long event, long stream) {
    try {
      return (int) RECORD_EVENT.invokeExact(event, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int awaitEvent(long event) {
    try {
      return (int) AWAIT_EVENT.invokeExact(event);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int queryEvent(long event) {
    try {
      return (int) QUERY_EVENT.invokeExact(event);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int waitEvent(long stream, long event) {
    try {
      return (int) WAIT_EVENT.invokeExact(stream, event, NO_FLAGS);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static int copyPeer(
      long destination,
      long destinationContext,
      long source,
      long sourceContext,
      long bytes,
      long stream) {
    try {
      return (int)
          COPY_PEER.invokeExact(
              destination, destinationContext, source, sourceContext, bytes, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static MethodHandle bind(MemorySegment function, MemoryLayout... parameters) {
    return Linker.nativeLinker()
        .downcallHandle(function, FunctionDescriptor.of(JAVA_INT, parameters));
  }

  /** A downcall declares Throwable but throws nothing of its own. */
  private static RuntimeException unexpected(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    return new IllegalStateException("a driver call threw", thrown);
  }
}
