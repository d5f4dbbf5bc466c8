/**
 * The Jinja subset that chat templates are written in: a lexer, a parser to an immutable tree, and
 * a bounded, sandboxed interpreter whose text is Python's to the byte. {@link
 * dev.weir.engine.text.jinja.Template} is the door; the package imports nothing but the JDK. The
 * oracle is jinja2 3.1 in the environment that Hugging Face transformers sets up: immutable
 * sandbox, {@code trim_blocks}, {@code lstrip_blocks}, loop controls, {@code generation} blocks,
 * {@code tojson} as {@code json.dumps}, {@code raise_exception} and {@code strftime_now}.
 */
@NullMarked
package dev.weir.engine.text.jinja;

import org.jspecify.annotations.NullMarked;
