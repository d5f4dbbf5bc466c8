/**
 * {@code gpu-check}: shows on a machine with a GPU that the kernels are right and how fast they
 * are. A program, not a test; tests run it on the emulated driver. {@code
 * tests/gpu-check/README.md} says what its output means.
 */
@NullMarked
package dev.weir.tests.gpucheck;

import org.jspecify.annotations.NullMarked;
