package dev.weir.server.cli;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * Hears ctrl-C instead of ending the process. The JDK's only door to signals is {@code
 * sun.misc.Signal}, whose every mention is a compiler warning that cannot be turned off, so it is
 * looked up by name, once.
 */
final class Interrupts {
  private Interrupts() {}

  /** Calls an action at each ctrl-C from now on; false where the JVM does not allow it. */
  static boolean onInterrupt(Runnable action) {
    try {
      MethodHandles.Lookup lookup = MethodHandles.publicLookup();
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      MethodHandle run =
          lookup.findVirtual(Runnable.class, "run", MethodType.methodType(void.class));
      Object listener =
          MethodHandleProxies.asInterfaceInstance(
              handler, MethodHandles.dropArguments(run.bindTo(action), 0, signal));
      Object interrupt =
          lookup
              .findConstructor(signal, MethodType.methodType(void.class, String.class))
              .invoke("INT");
      lookup
          .findStatic(signal, "handle", MethodType.methodType(handler, signal, handler))
          .invoke(interrupt, listener);
      return true;
    } catch (Throwable e) { // no jdk.unsupported in this runtime, or -Xrs: ctrl-C ends the process
      return false;
    }
  }
}
