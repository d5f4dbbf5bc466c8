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
 * copy that fails sends who waits for it back to the start, a device that is lost is used no more,
 * and all else goes on.
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

  /** A device's step failed: what runs there ends. */
  void fail(Replica replica, Throwable failure) {
    boolean lost = failure instanceof DeviceLostException || replica.device.lost();
    end(replica, "a step", failure, lost);
  }

  private void end(Replica replica, String what, Throwable failure, boolean lost) {
    LOG.log(Level.ERROR, what + " failed on " + replica.device.name(), failure);
    String message = what + " failed: " + failure;
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

  /**
   * A copy to a device failed, or one from there to host memory. That concerns the sequences which
   * wait for it alone, unless a device is lost, or the rest of the batch cannot be waited for: then
   * what it copies to can never be used again, and the device is given up.
   */
  void failCopy(Replica replica, Throwable failure) {
    Deque<ContextMove> waited = new ArrayDeque<>();
    transfers.concerned(replica.number, waited);
    boolean settled = transfers.settle(replica.number);
    Replica lost = lostBy(replica, failure);
    if (lost != null || !settled) {
      end(lost == null ? replica : lost, "a copy of KV blocks", failure, true);
      return;
    }
    LOG.log(Level.WARNING, "a copy of KV blocks of " + replica.device.name() + " failed", failure);
    while (!waited.isEmpty()) {
      ContextMove move = waited.removeLast(); // each comes before the one that came after it
      transfers.remove(move);
      lifecycle.startOver(move, false);
    }
  }

  /** Which device is lost, if one is: the one whose copies they are, or one that they read. */
  private @Nullable Replica lostBy(Replica replica, Throwable failure) {
    if (replica.device.lost()) {
      return replica;
    }
    for (Replica peer : replicas) {
      if (peer.lost() == null && peer.device.lost()) {
        return peer;
      }
    }
    return failure instanceof DeviceLostException ? replica : null;
  }

  /** The rest goes on without a device; what can run nowhere else ends. */
  private void lose(Replica replica, RequestFailedException cause) {
    replica.lose(cause);
    Deque<ContextMove> failed = new ArrayDeque<>();
    transfers.lose(replica.number, failed);
    for (ContextMove move : failed) {
      lifecycle.startOver(move, true);
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
