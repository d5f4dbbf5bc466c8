/** What the HTTP server promises, shown with real sockets. */
@NullMarked
package dev.weir.server.http;

import org.jspecify.annotations.NullMarked;
