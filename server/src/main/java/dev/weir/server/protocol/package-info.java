/**
 * OpenAI's wire format: requests read strictly where a mistake would change the meaning and
 * leniently where OpenAI is, replies and stream chunks written, errors in OpenAI's shape. Knows
 * nothing of HTTP.
 */
@NullMarked
package dev.weir.server.protocol;

import org.jspecify.annotations.NullMarked;
