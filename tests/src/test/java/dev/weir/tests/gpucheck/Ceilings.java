package dev.weir.tests.gpucheck;

/**
 * What this machine does at its best, measured in this run.
 *
 * @param copy bytes per second of a large device-to-device copy, read and written bytes both
 *     counted; NaN where there is none
 * @param matmul operations per second of PyTorch's product of two bf16 matrices of 8192²; NaN where
 *     there is no torch
 */
record Ceilings(double copy, double matmul) {}
