package dev.weir.tests.bench;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.load.Checkpoint;
import dev.weir.engine.model.ModelConfig;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.TokenEvent;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.cpu.Ceilings;
import dev.weir.kernels.cpu.CpuDevice;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * How fast the whole engine is on a model's shape, beside what the machine could do at the same
 * moment: prefill of a cold prompt against the matrix ceiling, decode against the read bandwidth.
 * Medians; weights may be random.
 *
 * <p>Usage: {@code EngineBench MODEL [ROUNDS] [FOLDER]}; MODEL is a model directory, or {@code
 * qwen3-0.6b} or {@code llama-3.2-1b} for random weights of that shape, written to FOLDER (default:
 * the temporary folder) and kept there.
 */
public final class EngineBench {
  private static final int PROMPT = 512;
  private static final int DECODED = 48;
  private static final int[] BATCHES = {1, 8};

  private EngineBench() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Path model =
        arguments.length > 2
            ? RandomModel.find(arguments[0], Path.of(arguments[2]))
            : RandomModel.find(arguments[0]);
    int rounds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 3;
    int threads = Runtime.getRuntime().availableProcessors();
    long weightBytes;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      weightBytes = checkpoint.bytes();
    }
    List<Double> reads = new ArrayList<>();
    List<Double> flops = new ArrayList<>();
    List<Double> prefills = new ArrayList<>();
    List<List<Double>> decodes =
        Arrays.stream(BATCHES).mapToObj(b -> (List<Double>) new ArrayList<Double>()).toList();
    Random random = new Random(1);
    try (Engine engine =
            Engine.open(
                EngineOptions.of(model).withDevice(DeviceChoice.CPU).withReusePrefixes(false));
        CpuDevice device = CpuDevice.open(threads)) {
      System.out.printf("%s, %s%n", arguments[0], engine.deviceName());
      Buffer memory = touched(device);
      for (int round = 0; round < rounds; round++) {
        reads.add(Ceilings.readBytesPerSecond(device, memory, System::nanoTime));
        flops.add(Ceilings.flopsPerSecond(device, DType.BF16, System::nanoTime));
        prefills.add(prefill(engine, random));
        for (int i = 0; i < BATCHES.length; i++) {
          decodes.get(i).add(decode(engine, random, BATCHES[i]));
        }
      }
      double read = median(reads);
      double ceiling = median(flops);
      double prefill = median(prefills);
      double flopsPerToken = 2.0 * matrixParameters(engine.config());
      System.out.printf(
          "read bandwidth %.1f GB/s, matrix ceiling %.2f TFLOP/s%n", read / 1e9, ceiling / 1e12);
      System.out.printf(
          "prefill %d: %.0f tok/s, %.0f %% of the matrix ceiling%n",
          PROMPT, prefill, 100 * prefill * flopsPerToken / ceiling);
      for (int i = 0; i < BATCHES.length; i++) {
        double steps = median(decodes.get(i));
        System.out.printf(
            "decode, batch %d: %.1f tok/s, weights streamed at %.0f %% of the read bandwidth%n",
            BATCHES[i], steps * BATCHES[i], 100 * steps * weightBytes / read);
      }
    }
  }

  /**
   * Memory of the device's own that was written once: untouched pages would share one page of
   * zeros.
   */
  private static Buffer touched(CpuDevice device) {
    Buffer memory = device.allocate(Ceilings.LEAST_READ_BYTES, "bandwidth ceiling");
    MemorySegment ones = MemorySegment.ofArray(new byte[1 << 20]).fill((byte) 1);
    for (long at = 0; at < memory.bytes(); at += ones.byteSize()) {
      device.write(memory, at, ones);
    }
    return memory;
  }

  /** Tokens per second of one cold prompt. */
  private static double prefill(Engine engine, Random random) throws InterruptedException {
    Request request = Request.of(Prompt.of(prompt(engine, random, PROMPT)), Sampling.greedy(1));
    long start = System.nanoTime();
    try (Generation generation = engine.submit(request)) {
      generation.await();
    }
    return PROMPT / seconds(start);
  }

  /** Steps per second while {@code batch} sequences decode together. */
  private static double decode(Engine engine, Random random, int batch)
      throws InterruptedException {
    List<Generation> generations = new ArrayList<>();
    Sampling sampling =
        Sampling.builder().temperature(0).ignoreEos(true).maxTokens(DECODED).build();
    for (int i = 0; i < batch; i++) {
      generations.add(engine.submit(Request.of(Prompt.of(prompt(engine, random, 8)), sampling)));
    }
    // All are running once the last has its first token; from there to its last all decode
    // together.
    Generation last = generations.getLast();
    long start = 0;
    long end = 0;
    int tokens = 0;
    for (TokenEvent event = last.next(); event != null; event = last.next()) {
      if (event instanceof TokenEvent.Token) {
        end = System.nanoTime();
        start = tokens++ == 0 ? end : start;
      }
    }
    for (Generation generation : generations) {
      generation.await();
    }
    return (tokens - 1) / ((end - start) / 1e9);
  }

  private static int[] prompt(Engine engine, Random random, int length) {
    return random.ints(length, 0, engine.config().vocabSize()).toArray();
  }

  /** Parameters that each prompt token meets: all matrices but the embedding and the head. */
  private static double matrixParameters(ModelConfig config) {
    double attention =
        (double) config.hiddenSize() * (config.queryRows() + 2 * config.kvRows())
            + (double) config.queryRows() * config.hiddenSize();
    return config.layers() * (attention + 3.0 * config.hiddenSize() * config.intermediateSize());
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return sorted[sorted.length / 2];
  }
}
