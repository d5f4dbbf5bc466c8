/** Helpers that the engine's tests share. Nothing here is part of the engine. */
@NullMarked
package dev.weir.engine.testing;

import org.jspecify.annotations.NullMarked;
