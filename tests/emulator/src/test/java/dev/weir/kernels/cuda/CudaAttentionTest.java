package dev.weir.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.emulator.Emulator;
import dev.weir.kernels.AttentionShape;
import dev.weir.kernels.Buffer;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvArena;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.Staging;
import dev.weir.kernels.StepInputs;
import dev.weir.kernels.StepLimits;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What {@code attention.cu} promises: which block does what, and in how many parts, shows in no
 * bit.
 */
class CudaAttentionTest {
  private static final int KV_HEADS = 2;
  private static final int GROUP = 2;
  private static final DType TYPE = DType.BF16;

  /** Five whole segments and a part of a sixth. */
  private static final int CONTEXT = 5 * AttentionShape.SEGMENT_TOKENS + 300;

  /** Room for nothing: tiles are not split. */
  private static final long NO_BYTES = 20_000;

  /** Room for one state of each wide tile, but not for one of each segment: tiles are chained. */
  private static final long CHAIN_BYTES = 150_000;

  @ParameterizedTest(name = "{0} tokens, heads of {1}, window {2}")
  @CsvSource({
    "1, 64, 2147483647", // a decode row
    "40, 64, 2147483647", // two wide tiles, of which one is not full
    "20, 32, 3000", // whose first segments no row sees
    "17, 256, 2147483647"
  })
  void aChunkHasTheSameBitsWholeInAChainAndInPartsThatMeet(int tokens, int headDim, int window) {
    byte[] whole = attend(NO_BYTES, tokens, headDim, window);
    assertThat(attend(CHAIN_BYTES, tokens, headDim, window)).as("chained").isEqualTo(whole);
    assertThat(attend(CudaAttention.MAX_PARTIAL_BYTES, tokens, headDim, window))
        .as("in parts")
        .isEqualTo(whole);
  }

  @ParameterizedTest
  @ValueSource(strings = {"8.0", "8.9", "12.0"})
  void aGpuWithLessSharedMemoryGivesTheSameBits(String capability) {
    byte[] expected = attend("", CudaAttention.MAX_PARTIAL_BYTES, 17, 256, Integer.MAX_VALUE);
    assertThat(
            attend(
                "capability=" + capability,
                CudaAttention.MAX_PARTIAL_BYTES,
                17,
                256,
                Integer.MAX_VALUE))
        .isEqualTo(expected);
  }

  private static byte[] attend(long partialBytes, int tokens, int headDim, int window) {
    return attend("", partialBytes, tokens, headDim, window);
  }

  private static byte[] attend(
      String settings, long partialBytes, int tokens, int headDim, int window) {
    Emulator emulator = Emulator.start("mode=lazy order=random landing=random " + settings);
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    assumeTrue(
        CudaDevice.class.getResource("attention.compute_80.ptx") != null,
        "skipped: this build's attention has no CUDA kernels");
    Random random = new Random(headDim);
    AttentionShape shape = new AttentionShape(KV_HEADS * GROUP, KV_HEADS, headDim, 0.1f, window, 0);
    int length = CONTEXT + tokens;
    int blocks = Math.ceilDiv(length, KvShape.BLOCK_TOKENS);
    byte[] result;
    try (CudaDevice device = CudaDevice.open(0)) {
      StepLimits limits = new StepLimits(tokens, 1, 1, length, shape, 1, TYPE);
      CudaAttention attention = new CudaAttention(device, limits, partialBytes);
      KvArena cache = device.allocateKv(new KvShape(1, KV_HEADS, headDim, TYPE), blocks);
      device.write(cache.memory(), 0, normals(random, cache.memory().bytes()));
      Buffer qkv = device.allocate((long) tokens * shape.qkvColumns() * TYPE.bytes(), "qkv");
      device.write(qkv, 0, normals(random, qkv.bytes()));
      int outBytes = tokens * shape.heads() * headDim * TYPE.bytes();
      Buffer out = device.allocate(outBytes, "out");
      StepInputs step =
          new StepInputs(
              ints(device, tokens, 1, 0),
              ints(device, new int[tokens]),
              ints(device, IntStream.range(CONTEXT, length).toArray()),
              ints(device, new int[tokens]),
              ints(device, 0, tokens),
              ints(device, length),
              ints(device, 0),
              ints(device, IntStream.range(0, blocks).map(b -> blocks - 1 - b).toArray()),
              blocks,
              ints(device, 0),
              null);
      step.counts(tokens, 1, 0);
      for (int layer = 0; layer < 2; layer++) { // counters are as before
        attention.prepare();
        attention.attention(step, shape, qkv, cache, 0, out);
      }
      result = new byte[outBytes];
      device.read(out, 0, MemorySegment.ofArray(result));
    }
    assertThat(emulator.mistakes()).isEmpty();
    return result;
  }

  private static Buffer ints(CudaDevice device, int... values) {
    long bytes = (long) Integer.BYTES * values.length;
    Staging staging = device.staging(bytes, "a step's integers");
    MemorySegment.copy(values, 0, staging.host(), JAVA_INT, 0, values.length);
    device.upload(staging, 0, bytes);
    return staging.device();
  }

  /** Random BF16 numbers. */
  private static MemorySegment normals(Random random, long bytes) {
    short[] values = new short[(int) (bytes / TYPE.bytes())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (short) (Float.floatToIntBits((float) random.nextGaussian()) >>> Short.SIZE);
    }
    return MemorySegment.ofArray(values);
  }
}
