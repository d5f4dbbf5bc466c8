/** Specifications of what a model is read to be. */
@NullMarked
package dev.weir.engine.model;

import org.jspecify.annotations.NullMarked;
