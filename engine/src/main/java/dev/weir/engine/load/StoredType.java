package dev.weir.engine.load;

import dev.weir.kernels.DType;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Element types that a safetensors file may hold; the constants' names are the format's own. A file
 * may hold any of them; Weir computes with those that have a {@link #computed} type.
 */
public enum StoredType {
  BOOL(8, null),
  F4(4, null),
  F6_E2M3(6, null),
  F6_E3M2(6, null),
  U8(8, null),
  I8(8, null),
  F8_E5M2(8, null),
  F8_E4M3(8, null),
  F8_E8M0(8, null),
  F8_E5M2FNUZ(8, null),
  F8_E4M3FNUZ(8, null),
  I16(16, null),
  U16(16, null),
  F16(16, DType.F16),
  BF16(16, DType.BF16),
  I32(32, null),
  U32(32, null),
  F32(32, DType.F32),
  C64(64, null),
  F64(64, null),
  I64(64, null),
  U64(64, null);

  private static final Map<String, StoredType> BY_NAME =
      Arrays.stream(values())
          .collect(Collectors.toUnmodifiableMap(Enum::name, Function.identity()));

  private final int bits;
  private final @Nullable DType computed;

  StoredType(int bits, @Nullable DType computed) {
    this.bits = bits;
    this.computed = computed;
  }

  /** Bits of one element; elements lie packed, so a tensor's bits are a multiple of 8. */
  public int bits() {
    return bits;
  }

  /** The type Weir computes it in, where it does. */
  public Optional<DType> computed() {
    return Optional.ofNullable(computed);
  }

  static Optional<StoredType> named(String name) {
    return Optional.ofNullable(BY_NAME.get(name));
  }
}
