/** Tests of journals and what is made of them. */
@NullMarked
package dev.weir.engine.replay;

import org.jspecify.annotations.NullMarked;
