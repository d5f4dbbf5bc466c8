package dev.weir.engine.model;

import java.util.List;

/**
 * One weight as the engine keeps it: rows of stored tensors, stacked. A matrix is [rows][columns];
 * a vector (norm, bias) has one column.
 *
 * @param parts from first row to last, at least one; all of the same column count
 */
public record WeightSpec(List<Part> parts) {

  /**
   * A tensor of the checkpoint.
   *
   * @param name its name there
   * @param shape the shape it must have: [rows, columns], or [rows] for a vector
   */
  public record Stored(String name, List<Integer> shape) {

    int columns() {
      return shape.size() == 1 ? 1 : shape.get(1);
    }

    long[] dimensions() {
      return shape.stream().mapToLong(Integer::longValue).toArray();
    }
  }

  /**
   * Consecutive rows of a stored tensor: all of it where a family stores it alone, a range where it
   * stores several in one.
   *
   * @param stored the tensor
   * @param firstRow first row taken
   * @param rows rows taken
   */
  public record Part(Stored stored, int firstRow, int rows) {}

  /** Copies the list. */
  public WeightSpec {
    parts = List.copyOf(parts);
    assert !parts.isEmpty();
  }

  /** A weight that is one whole stored tensor. */
  static WeightSpec whole(String name, Integer... shape) {
    return new WeightSpec(List.of(new Part(new Stored(name, List.of(shape)), 0, shape[0])));
  }

  /** Rows of all parts. */
  public int rows() {
    return parts.stream().mapToInt(Part::rows).sum();
  }

  /** Elements of a row. */
  public int columns() {
    return parts.getFirst().stored().columns();
  }

  /** Whether it is a matrix, not a vector. */
  public boolean isMatrix() {
    return parts.getFirst().stored().shape().size() > 1;
  }
}
