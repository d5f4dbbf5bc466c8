/** Benchmarks of the whole engine; programs, not tests. */
@NullMarked
package dev.weir.tests.bench;

import org.jspecify.annotations.NullMarked;
