/** CUDA families on the emulated driver, where they are reached only from inside their package. */
@NullMarked
package dev.weir.kernels.cuda;

import org.jspecify.annotations.NullMarked;
