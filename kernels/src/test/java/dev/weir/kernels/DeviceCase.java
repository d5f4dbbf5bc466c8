package dev.weir.kernels;

import dev.weir.kernels.reference.ReferenceDevice;
import java.util.List;
import java.util.function.Supplier;

/** A device under test, with a weight type that decides the types of activations and cache. */
record DeviceCase(String name, DType weights, Supplier<Device> opener) {

  /** Every device of this machine with every weight type that changes what its ops compute in. */
  static List<DeviceCase> all() {
    return List.of(
        new DeviceCase("reference F32", DType.F32, ReferenceDevice::open),
        new DeviceCase("reference BF16", DType.BF16, ReferenceDevice::open));
  }

  DeviceFixture open() {
    return new DeviceFixture(opener.get(), weights);
  }

  @Override
  public String toString() {
    return name;
  }
}
