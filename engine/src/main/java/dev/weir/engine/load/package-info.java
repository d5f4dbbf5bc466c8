/**
 * Files to tensors: safetensors files and Hugging Face model directories, mapped read-only and
 * checked whole before a byte of a tensor is used. Everything here treats its input as hostile:
 * whatever the bytes say, the outcome is a valid object or a {@link
 * dev.weir.engine.load.ModelLoadException}, in bounded time and memory.
 */
@NullMarked
package dev.weir.engine.load;

import org.jspecify.annotations.NullMarked;
