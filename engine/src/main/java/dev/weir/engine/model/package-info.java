/**
 * What a model is: its configuration read from a checkpoint's JSON files, the tensors its
 * architecture needs, its rotary frequencies and its generation defaults. Families differ in data
 * only.
 */
@NullMarked
package dev.weir.engine.model;

import org.jspecify.annotations.NullMarked;
