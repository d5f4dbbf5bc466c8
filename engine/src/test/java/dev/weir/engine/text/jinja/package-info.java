/**
 * Tests of the Jinja subset: a specification of its own, and the cases that jinja2 itself decided.
 */
@NullMarked
package dev.weir.engine.text.jinja;

import org.jspecify.annotations.NullMarked;
