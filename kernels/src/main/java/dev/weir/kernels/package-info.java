/** The op set of a transformer step, and the devices that carry it out. */
@NullMarked
package dev.weir.kernels;

import org.jspecify.annotations.NullMarked;
