/** What the endpoints answer, over real sockets and a scripted model. */
@NullMarked
package dev.weir.server.api;

import org.jspecify.annotations.NullMarked;
