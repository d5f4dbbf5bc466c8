package dev.weir.engine.run;

import dev.weir.engine.request.RequestFailedException;
import dev.weir.engine.run.TokenLog.Ending;
import dev.weir.kernels.DeviceLostException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of requests when a device fails: a step that fails ends what runs on its device, a
 * device that is lost is used no more, and all else goes on.
 */
final class DeviceFailures {
  private static final Logger LOG = System.getLogger(DeviceFailures.class.getName());

  private final Replica[] replicas;
  private final Shards shards;
  private final Transfers transfers;
  private final Admission admission;
  private final Lifecycle lifecycle;
  private final Predicate<Sequence> isStranded = this::isStranded;
  private final Consumer<Sequence> endStranded = this::endStranded;

  DeviceFailures(
      Replica[] replicas,
      Shards shards,
      Transfers transfers,
      Admission admission,
      Lifecycle lifecycle) {
    this.replicas = replicas;
    this.shards = shards;
    this.transfers = transfers;
    this.admission = admission;
    this.lifecycle = lifecycle;
  }

  /** A device's step or copy failed: what runs there ends. */
  void fail(Replica replica, Throwable failure) {
    LOG.log(Level.ERROR, "a step of " + replica.device.name() + " failed", failure);
    boolean lost = failure instanceof DeviceLostException || replica.device.lost();
    String message = "a step failed: " + failure;
    RequestFailedException cause =
        lost
            ? RequestFailedException.ofLostDevice(message, failure)
            : new RequestFailedException(message, failure);
    replica.frames.abandon();
    lifecycle.fail(replica, cause);
    if (lost) {
      lose(replica, cause);
    }
  }

  /** A copy to a device failed, or one from there to host memory. */
  void failCopy(Replica replica, Throwable failure) {
    transfers.settle(replica.number);
    fail(whoFailed(replica, failure), failure);
  }

  /** The device itself, unless the one that it copied from is lost. */
  private Replica whoFailed(Replica replica, Throwable failure) {
    if (failure instanceof DeviceLostException && !replica.device.lost()) {
      for (Replica peer : replicas) {
        if (peer.lost() == null && peer.device.lost()) {
          return peer;
        }
      }
    }
    return replica;
  }

  /** The rest goes on without a device; what can run nowhere else ends. */
  private void lose(Replica replica, RequestFailedException cause) {
    replica.lose(cause);
    Deque<ContextMove> failed = new ArrayDeque<>();
    transfers.lose(replica.number, failed);
    for (ContextMove move : failed) {
      if (!move.abandoned()) { // its source is gone
        move.sequence.move = null;
        lifecycle.waitAgain(move.sequence);
      }
      shards.letGo(move);
    }
    shards.close(replica.number);
    admission.removeIf(isStranded, endStranded);
  }

  /** Ends a sequence that waits and can run nowhere any more; false if it can. */
  boolean endIfStranded(Sequence waiting) {
    boolean stranded = isStranded(waiting);
    if (stranded) {
      endStranded(waiting);
    }
    return stranded;
  }

  private boolean isStranded(Sequence waiting) {
    return strandedBy(waiting) != null;
  }

  /** Why a sequence that waits can run nowhere any more; null if it can. */
  private @Nullable RuntimeException strandedBy(Sequence waiting) {
    OptionalInt pin = waiting.job.request().terms().shard();
    return pin.isPresent() ? replicas[shards.device(pin.getAsInt())].lost() : allLost();
  }

  private void endStranded(Sequence waiting) {
    RuntimeException cause = Objects.requireNonNull(strandedBy(waiting));
    lifecycle.end(
        waiting,
        Ending.failure(new RequestFailedException(String.valueOf(cause.getMessage()), cause)));
  }

  /** Why no device is left; null if one is. */
  private @Nullable RuntimeException allLost() {
    RuntimeException cause = null;
    for (Replica replica : replicas) {
      cause = replica.lost();
      if (cause == null) {
        return null;
      }
    }
    return cause;
  }
}
