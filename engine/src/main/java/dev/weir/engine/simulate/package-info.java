/**
 * Devices that compute nothing in virtual time: the real step loop, planner, pools and index run on
 * them a million steps a minute, so that schedules can be tried and the engine's promises tested.
 */
@NullMarked
package dev.weir.engine.simulate;

import org.jspecify.annotations.NullMarked;
