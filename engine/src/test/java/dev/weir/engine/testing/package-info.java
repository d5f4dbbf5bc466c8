/** What the tests share: tiny models, their files, and the data beside the repository. */
@NullMarked
package dev.weir.engine.testing;

import org.jspecify.annotations.NullMarked;
