/**
 * Load over HTTP, for any OpenAI-compatible server, so that others can be measured beside Weir: the
 * storm (streams decode, a long cold prompt arrives). What is measured is what a client sees: when
 * each piece of text arrived.
 */
@NullMarked
package dev.weir.tests.bench.load;

import org.jspecify.annotations.NullMarked;
