/**
 * What a model is and what it computes: its configuration read from a checkpoint's JSON files, the
 * tensors its architecture needs, its weights in device memory, and the one forward pass that calls
 * the op set for a step's batch. Families differ in data only.
 */
@NullMarked
package dev.weir.engine.model;

import org.jspecify.annotations.NullMarked;
