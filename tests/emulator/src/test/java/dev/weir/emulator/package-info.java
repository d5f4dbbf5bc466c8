/**
 * The emulated CUDA driver, seen from Java: how tests configure it and look inside, and what its
 * semantics are.
 */
@NullMarked
package dev.weir.emulator;

import org.jspecify.annotations.NullMarked;
