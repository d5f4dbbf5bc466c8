package dev.weir.trainer;

/** A question and its right answer. */
record Exchange(String question, String answer) {}
