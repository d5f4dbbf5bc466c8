/** JMH benchmarks of what the step thread does on the host: time and allocations. */
@NullMarked
package dev.weir.engine.jmh;

import org.jspecify.annotations.NullMarked;
