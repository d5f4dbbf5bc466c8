package dev.weir.server.protocol;

/**
 * What every reply, and every chunk of one, begins with.
 *
 * @param id unique per request
 * @param created seconds since 1970
 * @param model name of the model that answers
 */
public record ReplyHead(String id, long created, String model) {}
