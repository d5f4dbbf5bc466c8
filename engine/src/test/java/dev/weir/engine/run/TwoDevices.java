package dev.weir.engine.run;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.testing.LateDevice;
import dev.weir.kernels.Device;
import dev.weir.kernels.DeviceLostException;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A model on two devices that fail when a test says so. A token takes far longer to compute than to
 * copy, as on any device.
 */
final class TwoDevices implements AutoCloseable {
  static final int B = KvShape.BLOCK_TOKENS;
  static final int MAX_LENGTH = 8 * B;

  /** KV blocks of each device. */
  static final int BLOCKS = 32;

  private static final long NANOS_PER_TOKEN = 1_000_000;

  /** Copies are done when they were asked for so often: some steps later. */
  private static final int COPY_ASKS = 24;

  private final @Nullable LateDevice[] late = new LateDevice[2];
  final FailingDevice[] devices = new FailingDevice[2];
  final HandDriven model;

  /**
   * @param isLate whether the devices do all as late as they may
   */
  TwoDevices(Path folder, boolean isLate) {
    for (int i = 0; i < devices.length; i++) {
      Device real = HandDriven.fastest();
      late[i] = isLate ? new LateDevice(real, COPY_ASKS) : null;
      devices[i] = new FailingDevice(late[i] == null ? real : late[i]);
    }
    model = new HandDriven(folder, devices);
    for (FailingDevice device : devices) {
      device.whenComputing(tokens -> model.passes(tokens * NANOS_PER_TOKEN));
    }
  }

  /** What is late of a device. */
  LateDevice late(int device) {
    return Objects.requireNonNull(late[device], "the devices are not late");
  }

  /** A loop over both with a shard on each. */
  StepLoop loop(int hostBlocks) {
    return model.loop(options(hostBlocks), BLOCKS, BLOCKS);
  }

  static LoopOptions options(int hostBlocks) {
    return LoopOptions.of(2, 16, 64, MAX_LENGTH, true, PlanLimits.withStepTokens(128))
        .withHostBlocks(hostBlocks);
  }

  /** Contexts of one block each, until a shard has given away whatever it had before. */
  static void displace(StepLoop loop, int shard) {
    for (int i = 0; i < BLOCKS; i++) {
      Turns.serve(loop, Turns.prompt(1000 + i, B), 1, shard);
    }
  }

  static DeviceLostException gone() {
    return new DeviceLostException("the device is gone", new IllegalStateException("test"));
  }

  @Override
  public void close() {
    model.close();
  }
}
