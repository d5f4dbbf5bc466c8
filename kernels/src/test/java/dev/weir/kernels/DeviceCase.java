package dev.weir.kernels;

import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.cpu.Isa;
import dev.weir.kernels.cuda.CudaDevice;
import dev.weir.kernels.reference.ReferenceDevice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.junit.jupiter.api.Assumptions;

/** A device under test, with a weight type that decides the types of activations and cache. */
record DeviceCase(String name, DType weights, Supplier<Device> opener) {

  /**
   * Only devices whose name starts so are tested; {@code cuda}, say, where the op tests run again
   * on an emulated driver.
   */
  static final String PROPERTY = "weir.test.devices";

  private static final String CUDA = "cuda";

  /** Threads of a test device: more than the steps have work for, and not a power of two. */
  private static final int THREADS = 3;

  /**
   * Every device of this machine with every weight type that changes what its ops compute in.
   *
   * <p>Where there is none of those that the property asks for, what is given instead skips the
   * test that opens it.
   */
  static List<DeviceCase> all() {
    String only = System.getProperty(PROPERTY, "");
    Optional<String> noCuda = CudaDevice.unavailable();
    List<DeviceCase> cases = new ArrayList<>();
    List<DType> types = List.of(DType.F32, DType.BF16);
    types.forEach(type -> cases.add(new DeviceCase("reference", type, ReferenceDevice::open)));
    if (CpuDevice.unavailable().isEmpty()) {
      for (Isa isa : Isa.values()) {
        if (isa.compareTo(CpuDevice.bestIsa()) <= 0) {
          for (DType type : types) {
            cases.add(
                new DeviceCase("cpu " + isa.title(), type, () -> CpuDevice.open(THREADS, isa)));
          }
        }
      }
    }
    if (noCuda.isEmpty()) {
      for (DType type : List.of(DType.BF16, DType.F16)) {
        cases.add(new DeviceCase(CUDA, type, () -> CudaDevice.open(0)));
      }
    }
    List<DeviceCase> chosen = cases.stream().filter(c -> c.name.startsWith(only)).toList();
    if (chosen.isEmpty()) {
      return List.of(absent("no device named " + only + "…: " + noCuda.orElse("")));
    }
    return chosen;
  }

  private static DeviceCase absent(String why) {
    return new DeviceCase(why, DType.BF16, () -> Assumptions.abort("skipped: " + why));
  }

  /** Every device once, for what does not depend on the type of weights. */
  static List<DeviceCase> oneOfEach() {
    Map<String, DeviceCase> byName = new LinkedHashMap<>();
    all().forEach(device -> byName.putIfAbsent(device.name, device));
    return List.copyOf(byName.values());
  }

  /** Whether the device has kernels for such heads: a GPU moves 16 bytes at a time. */
  boolean computes(AttentionShape shape) {
    return !name.equals(CUDA) || shape.headDim() % 8 == 0;
  }

  DeviceFixture open() {
    return new DeviceFixture(opener.get(), weights);
  }

  @Override
  public String toString() {
    return name + " " + weights;
  }
}
