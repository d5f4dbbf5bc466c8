/** The embedding API: open an engine on a model directory, submit requests, read tokens. */
@NullMarked
package dev.weir.engine;

import org.jspecify.annotations.NullMarked;
