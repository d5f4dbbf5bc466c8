/**
 * NVIDIA GPUs, through the CUDA driver API alone. Kernels are compiled when Weir is built and
 * loaded from the class path; ops are enqueued on one stream per device, and steps are recorded as
 * graphs.
 */
@NullMarked
package dev.weir.kernels.cuda;

import org.jspecify.annotations.NullMarked;
