/** The commands: options, what they open, what they print, and how their failures read. */
@NullMarked
package dev.weir.server.cli;

import org.jspecify.annotations.NullMarked;
