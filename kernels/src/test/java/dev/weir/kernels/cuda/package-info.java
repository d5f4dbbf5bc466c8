@NullMarked
package dev.weir.kernels.cuda;

import org.jspecify.annotations.NullMarked;
