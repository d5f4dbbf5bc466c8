package dev.weir.server.http;

/**
 * What the server holds right now.
 *
 * @param openConnections sockets open
 * @param activeExchanges requests handed to a handler that has not returned
 * @param directBytes bytes of pooled off-heap memory in use by buffers
 */
public record HttpStats(int openConnections, int activeExchanges, long directBytes) {}
