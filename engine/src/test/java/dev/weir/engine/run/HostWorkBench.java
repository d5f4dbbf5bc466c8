package dev.weir.engine.run;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.testing.LateDevice;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * What a decode step costs the host, on a device whose ops do nothing: planning, filling, copying
 * in host memory what a GPU's driver is told to copy, reading results, publishing. Not a test: run
 * its main with the engine's test class path. The driver's own calls come on top.
 */
final class HostWorkBench {
  private static final int WARM_UP = 600;
  private static final int MEASURED = 1000;

  private HostWorkBench() {}

  public static void main(String[] arguments) throws Exception {
    Path folder = Files.createTempDirectory("weir-bench");
    TinyModel.write(folder, DType.F32, 1);
    System.out.println("rows, sampling: microseconds per step: median, 90 %, 99 %");
    for (int rows : new int[] {1, 8, 32}) {
      measure(folder, rows, "greedy", Sampling.builder().temperature(0));
      measure(folder, rows, "drawn, 5 logprobs", Sampling.builder().seed(1).logprobs(5));
    }
  }

  private static void measure(Path folder, int rows, String what, Sampling.Builder sampling)
      throws InterruptedException {
    LateDevice device = new LateDevice(HandDriven.fastest());
    try (HandDriven model = new HandDriven(folder, device)) {
      device.skipOps();
      int blocks = rows * TinyModel.CONTEXT / KvShape.BLOCK_TOKENS;
      PlanLimits limits = PlanLimits.withStepTokens(HandDriven.STEP_TOKENS);
      StepLoop loop =
          model.loop(1, rows, blocks, TinyModel.CONTEXT, true, limits, System::nanoTime);
      Sampling request = sampling.maxTokens(TinyModel.CONTEXT).ignoreEos(true).build();
      List<Generation> generations = new ArrayList<>();
      for (int i = 0; i < rows; i++) {
        int[] prompt = new Random(i).ints(100, 0, TinyModel.VOCABULARY).toArray();
        generations.add(loop.submit(Request.of(Prompt.of(prompt), request), prompt));
      }
      for (int i = 0; i < WARM_UP; i++) {
        loop.step();
      }
      long[] nanos = new long[MEASURED];
      for (int i = 0; i < MEASURED; i++) {
        long before = System.nanoTime();
        loop.step();
        nanos[i] = System.nanoTime() - before;
      }
      Arrays.sort(nanos);
      System.out.printf(
          "%2d, %s: %.1f, %.1f, %.1f%n",
          rows,
          what,
          nanos[MEASURED / 2] / 1e3,
          nanos[MEASURED * 9 / 10] / 1e3,
          nanos[MEASURED * 99 / 100] / 1e3);
      generations.forEach(Generation::cancel);
      HandDriven.drain(loop);
    }
  }
}
