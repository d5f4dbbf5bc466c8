/**
 * Conversations: where the context of each lies between its turns, for how long it is spared, and
 * what became of it. Bookkeeping over the blocks of {@code kv}: no clock of its own, no I/O; owned
 * by the step thread.
 */
@NullMarked
package dev.weir.engine.session;

import org.jspecify.annotations.NullMarked;
