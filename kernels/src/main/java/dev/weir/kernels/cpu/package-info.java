/**
 * The op set in C, called through the foreign function interface, on vector and matrix units chosen
 * at run time. {@link dev.weir.kernels.cpu.CpuDevice} is the door.
 */
@NullMarked
package dev.weir.kernels.cpu;

import org.jspecify.annotations.NullMarked;
