/**
 * HTTP/1.1 behind a small interface of Weir's own: a {@link dev.weir.server.http.Handler} is plain
 * blocking code that runs on one virtual thread per request; everything that a stranger can do to a
 * socket (send slowly, read slowly, send too much, vanish) ends in a limit of {@link
 * dev.weir.server.http.HttpOptions}. Netty is an implementation detail: none of its types appear in
 * a public signature.
 */
@NullMarked
package dev.weir.server.http;

import org.jspecify.annotations.NullMarked;
