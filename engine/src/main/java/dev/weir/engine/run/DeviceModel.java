package dev.weir.engine.run;

import dev.weir.engine.model.Transformer;
import dev.weir.engine.plan.CostModel;
import dev.weir.kernels.Device;
import dev.weir.kernels.KvArena;

/**
 * A device with the model on it: what a step loop needs of it.
 *
 * @param device what computes; the loop uses it alone from then on
 * @param transformer with weights on the device
 * @param arena the device's KV blocks
 * @param cost knows nothing yet, or what earlier steps cost
 */
public record DeviceModel(Device device, Transformer transformer, KvArena arena, CostModel cost) {}
