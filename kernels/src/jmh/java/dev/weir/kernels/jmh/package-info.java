/**
 * JMH benchmarks of the op set on the CPU. {@link dev.weir.kernels.jmh.KernelBenchmarks} runs them
 * and prints each beside the machine's ceilings, measured around each of its iterations.
 */
@NullMarked
package dev.weir.kernels.jmh;

import org.jspecify.annotations.NullMarked;
