/**
 * The step loop: one thread that owns every sequence, block and batch, asks the planner what to
 * compute, computes it, and hands tokens to the readers of requests through memory that was set
 * aside when they were submitted.
 */
@NullMarked
package dev.weir.engine.run;

import org.jspecify.annotations.NullMarked;
