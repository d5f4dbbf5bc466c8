/**
 * Which KV block holds what: pools of block numbers with reference counts, block tables of
 * sequences, and the exact prefix index. Pure bookkeeping over integers: no clock, no I/O, no
 * device; one thread owns all of it.
 */
@NullMarked
package dev.weir.engine.kv;

import org.jspecify.annotations.NullMarked;
