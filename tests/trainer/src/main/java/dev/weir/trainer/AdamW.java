package dev.weir.trainer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), after clipping the gradient's
 * global norm. Norm weights are not decayed.
 */
final class AdamW {
  private static final float FIRST_MOMENT = 0.9f;
  private static final float SECOND_MOMENT = 0.98f;
  private static final float EPSILON = 1e-8f;
  private static final float DECAY = 0.05f;
  private static final double GREATEST_NORM = 1.0;

  /** DJL's sign for: do not clip single values. */
  private static final float NO_CLIPPING = -1;

  private record Slot(NDArray weight, NDArray first, NDArray second, float decay) {}

  private final List<Slot> slots = new ArrayList<>();
  private int updates;

  AdamW(Iterable<NDArray> weights, NDManager manager) {
    for (NDArray weight : weights) {
      weight.setRequiresGradient(true);
      slots.add(
          new Slot(
              weight,
              manager.zeros(weight.getShape()),
              manager.zeros(weight.getShape()),
              weight.getShape().dimension() > 1 ? DECAY : 0));
    }
  }

  /**
   * Takes one step along the gradients and clears them.
   *
   * @return the gradient's norm before clipping
   */
  double update(double learningRate) {
    updates++;
    List<NDArray> gradients = new ArrayList<>();
    double squares = 0;
    for (Slot slot : slots) {
      NDArray gradient = slot.weight().getGradient();
      gradients.add(gradient);
      try (NDArray squared = gradient.mul(gradient);
          NDArray sum = squared.sum()) {
        squares += sum.getFloat();
      }
    }
    double norm = Math.sqrt(squares);
    float scale = (float) Math.min(1, GREATEST_NORM / (norm + EPSILON));
    double corrected =
        learningRate
            * Math.sqrt(1 - Math.pow(SECOND_MOMENT, updates))
            / (1 - Math.pow(FIRST_MOMENT, updates));
    for (int i = 0; i < slots.size(); i++) {
      Slot slot = slots.get(i);
      try (NDArray gradient = gradients.get(i)) {
        slot.weight()
            .getNDArrayInternal()
            .adamUpdate(
                new NDList(slot.weight(), gradient, slot.first(), slot.second()),
                new NDList(slot.weight()),
                (float) learningRate,
                (float) corrected,
                slot.decay(),
                scale,
                NO_CLIPPING,
                FIRST_MOMENT,
                SECOND_MOMENT,
                EPSILON,
                false,
                true);
        gradient.muli(0);
      }
    }
    return norm;
  }
}
