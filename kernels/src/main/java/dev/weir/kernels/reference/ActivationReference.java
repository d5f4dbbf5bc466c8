package dev.weir.kernels.reference;

import dev.weir.kernels.Buffer;

/** The gated activation of Llama-like feed-forward layers (SwiGLU, Shazeer 2020). */
final class ActivationReference {
  private float[] gateUp = new float[0];
  private float[] product = new float[0];

  void gatedActivation(int rows, int width, Buffer in, Buffer out) {
    gateUp = Memory.atLeast(gateUp, 2 * width);
    product = Memory.atLeast(product, width);
    for (int t = 0; t < rows; t++) {
      Memory.read(in, 2L * t * width, gateUp, 2 * width);
      for (int i = 0; i < width; i++) {
        float gate = gateUp[i];
        product[i] = gate / (1 + (float) Math.exp(-gate)) * gateUp[width + i];
      }
      Memory.write(product, 0, width, out, (long) t * width);
    }
  }
}
