/**
 * Foreign-function bindings of device drivers, as jextract generates them; no logic is written here
 * by hand.
 */
@NullMarked
package dev.weir.bindings;

import org.jspecify.annotations.NullMarked;
