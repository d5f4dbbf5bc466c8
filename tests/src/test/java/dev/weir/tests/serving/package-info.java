/** The whole of Weir behind its HTTP door, driven by real clients. */
@NullMarked
package dev.weir.tests.serving;

import org.jspecify.annotations.NullMarked;
