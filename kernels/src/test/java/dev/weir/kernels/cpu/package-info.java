/** What the C kernels must do, on every instruction level that this machine can run. */
@NullMarked
package dev.weir.kernels.cpu;

import org.jspecify.annotations.NullMarked;
