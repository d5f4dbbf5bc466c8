/** Specifications of reading weight files, above all of refusing bad ones. */
@NullMarked
package dev.weir.engine.load;

import org.jspecify.annotations.NullMarked;
