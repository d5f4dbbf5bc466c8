/**
 * The values that cross the engine's door: requests, sampling, events, results and errors. The
 * ground floor: nothing here imports any other package of Weir, so embedders can hold on to these
 * types alone.
 */
@NullMarked
package dev.weir.engine.request;

import org.jspecify.annotations.NullMarked;
