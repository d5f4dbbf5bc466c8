/** How requests are read and chunks written. */
@NullMarked
package dev.weir.server.protocol;

import org.jspecify.annotations.NullMarked;
