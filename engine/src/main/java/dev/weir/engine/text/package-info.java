/**
 * Text in, token ids out, and back: the tokenizer of a model directory, its chat template with
 * control tokens that message text cannot forge, exact incremental detokenisation, stop strings.
 *
 * <p>None of it runs on the step thread. Encoding crosses JNI into the Hugging Face tokenizers
 * library; decoding is Weir's own, byte for byte what that library would give.
 */
@NullMarked
package dev.weir.engine.text;

import org.jspecify.annotations.NullMarked;
