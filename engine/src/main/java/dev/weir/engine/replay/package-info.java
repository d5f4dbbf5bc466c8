/**
 * Journals, run again: on the same model to compare every token, or on simulated devices to see
 * what another schedule would have made of the same requests.
 */
@NullMarked
package dev.weir.engine.replay;

import org.jspecify.annotations.NullMarked;
