/**
 * The op set in portable Java, float32 and plain loops: the oracle that other devices are tested
 * against, and what computes where no C compiler was found when Weir was built.
 */
@NullMarked
package dev.weir.kernels.reference;

import org.jspecify.annotations.NullMarked;
