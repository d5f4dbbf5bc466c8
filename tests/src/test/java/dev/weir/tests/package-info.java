/** Tests that see all modules. */
@NullMarked
package dev.weir.tests;

import org.jspecify.annotations.NullMarked;
