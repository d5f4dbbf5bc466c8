package dev.weir.kernels;

import org.jspecify.annotations.Nullable;

/**
 * A weight matrix [rows = N output features][columns = K input features], packed in a form of its
 * device's own.
 *
 * @param type the type the weights are kept in
 * @param rows output features, N
 * @param columns input features, K
 * @param packed the device's memory
 * @param bias F32 [rows], or null
 */
public record LinearWeight(
    DType type, int rows, int columns, Buffer packed, @Nullable Buffer bias) {

  /** The same matrix with a bias that {@code linear} adds. */
  public LinearWeight withBias(Buffer bias) {
    return new LinearWeight(type, rows, columns, packed, bias);
  }
}
