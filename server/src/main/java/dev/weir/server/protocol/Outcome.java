package dev.weir.server.protocol;

import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;

/**
 * What became of a request.
 *
 * @param completion its choices
 * @param account where its time went
 */
public record Outcome(Completion completion, Account account) {}
