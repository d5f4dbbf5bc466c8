/**
 * The endpoints: plain blocking handlers that read a request, hand it to the served model and write
 * what comes back. {@link dev.weir.server.api.Router} finds the handler of a path and turns typed
 * errors into replies.
 */
@NullMarked
package dev.weir.server.api;

import org.jspecify.annotations.NullMarked;
