package dev.weir.kernels.cpu;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The instruction levels that CPU kernels are built for, best last. The system property {@value
 * #PROPERTY} forces one, for tests.
 */
public enum Isa {
  /** Plain C. */
  PORTABLE("portable", 0, Matrix.NONE),
  /** 256-bit vectors with FMA and F16C. */
  AVX2("AVX2", 1, Matrix.NONE),
  /** 512-bit vectors (F, BW, DQ, VL), BF16 computed in F32. */
  AVX512("AVX-512", 2, Matrix.NONE),
  /** The same with BF16 dot products. */
  AVX512BF16("AVX-512-BF16", 3, Matrix.NONE),
  /** The same with the AMX matrix unit for BF16 weights. */
  AMX("AMX", 3, Matrix.AMX),
  /** AMX's arithmetic and memory layout in plain C: for tests, anywhere; slow. */
  AMX_EMULATED("AMX, emulated", 0, Matrix.EMULATED);

  /** Names a level in lower case, with {@code -} for {@code _}. */
  public static final String PROPERTY = "weir.cpu.isa";

  /** The codes of {@code weir_matrix}. */
  enum Matrix {
    NONE(0),
    AMX(1),
    EMULATED(2);

    private final int code;

    Matrix(int code) {
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  private final String title;
  private final int vectorLevel;
  private final Matrix matrix;

  Isa(String title, int vectorLevel, Matrix matrix) {
    this.title = title;
    this.vectorLevel = vectorLevel;
    this.matrix = matrix;
  }

  /** What people call it. */
  public String title() {
    return title;
  }

  /** The code of {@code weir_isa}. */
  int vectorLevel() {
    return vectorLevel;
  }

  Matrix matrix() {
    return matrix;
  }

  /** The level of a code of {@code weir_isa}, without a matrix unit. */
  static Isa ofVectorLevel(int code) {
    for (Isa isa : values()) {
      if (isa.vectorLevel == code && isa.matrix == Matrix.NONE) {
        return isa;
      }
    }
    throw new IllegalStateException("the CPU kernels report an unknown instruction level " + code);
  }

  String propertyValue() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  static Isa parse(String text) {
    for (Isa isa : values()) {
      if (isa.propertyValue().equals(text)) {
        return isa;
      }
    }
    throw new IllegalArgumentException(
        PROPERTY
            + " is '"
            + text
            + "', not one of "
            + Arrays.stream(values()).map(Isa::propertyValue).collect(Collectors.joining(", ")));
  }
}
