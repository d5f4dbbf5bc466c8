/** The command line and the OpenAI-compatible HTTP server around one engine. */
@NullMarked
package dev.weir.server;

import org.jspecify.annotations.NullMarked;
