/**
 * What the next step computes: a pure function of what waits and what steps have cost so far. No
 * clock, no I/O, no device, nothing allocated; so millions of steps can be simulated in a test.
 */
@NullMarked
package dev.weir.engine.plan;

import org.jspecify.annotations.NullMarked;
