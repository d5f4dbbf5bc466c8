package dev.weir.kernels.cuda;

import dev.weir.kernels.Buffer;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.StepInputs;

/** The argument structs that kernels of a step and a layer begin with: those of {@code cache.h}. */
final class CudaCache {
  /** Fields of {@code StepArrays}. */
  static final int STEP_ARGUMENTS = 11;

  /** Fields of {@code LayerCache}. */
  private static final int CACHE_ARGUMENTS = 4;

  /** The first field behind both. */
  static final int ARGUMENTS = STEP_ARGUMENTS + CACHE_ARGUMENTS;

  private CudaCache() {}

  /** Sets {@code StepArrays}, the first fields of the kernel's arguments. */
  static Launch set(Launch launch, StepInputs step) {
    Buffer drawn = step.drawn();
    return launch
        .set(0, step.counts().address())
        .set(1, step.tokenIds().address())
        .set(2, step.positions().address())
        .set(3, step.tokenSlices().address())
        .set(4, step.sliceOffsets().address())
        .set(5, step.kvLengths().address())
        .set(6, step.blockTableRows().address())
        .set(7, step.blockTable().address())
        .set(8, step.blockTableWidth())
        .set(9, step.sampleRows().address())
        .set(10, drawn == null ? 0 : drawn.address());
  }

  /** Sets {@code StepArrays} and, behind it, {@code LayerCache}. */
  static Launch set(Launch launch, StepInputs step, KvArena cache, int layer) {
    KvShape shape = cache.shape();
    return set(launch, step)
        .set(STEP_ARGUMENTS, cache.memory().address() + layer * shape.layerBytes())
        .set(STEP_ARGUMENTS + 1, shape.blockBytes())
        .set(STEP_ARGUMENTS + 2, shape.kvHeads())
        .set(STEP_ARGUMENTS + 3, shape.headDim());
  }
}
