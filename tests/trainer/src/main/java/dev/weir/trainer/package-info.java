/** Trains the demo model on text that it generates itself. */
@NullMarked
package dev.weir.trainer;

import org.jspecify.annotations.NullMarked;
