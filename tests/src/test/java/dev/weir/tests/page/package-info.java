/** The built-in page in a real browser: what somebody who opens it sees. */
@NullMarked
package dev.weir.tests.page;

import org.jspecify.annotations.NullMarked;
