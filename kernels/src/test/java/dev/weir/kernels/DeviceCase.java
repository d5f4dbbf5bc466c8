package dev.weir.kernels;

import dev.weir.kernels.cpu.CpuDevice;
import dev.weir.kernels.cpu.Isa;
import dev.weir.kernels.reference.ReferenceDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** A device under test, with a weight type that decides the types of activations and cache. */
record DeviceCase(String name, DType weights, Supplier<Device> opener) {

  /** Threads of a test device: more than the steps have work for, and not a power of two. */
  private static final int THREADS = 3;

  /** Every device of this machine with every weight type that changes what its ops compute in. */
  static List<DeviceCase> all() {
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
    return cases;
  }

  DeviceFixture open() {
    return new DeviceFixture(opener.get(), weights);
  }

  @Override
  public String toString() {
    return name + " " + weights;
  }
}
