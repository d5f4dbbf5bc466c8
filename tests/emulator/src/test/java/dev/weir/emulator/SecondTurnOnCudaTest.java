package dev.weir.emulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.weir.engine.DeviceChoice;
import dev.weir.engine.Engine;
import dev.weir.engine.EngineOptions;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Completion;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import dev.weir.kernels.cuda.CudaDevice;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A conversation's second turn on two emulated GPUs, wherever the first one's KV lies by then: only
 * what is new is computed, and the tokens are those of a GPU on which nothing else ever ran.
 */
class SecondTurnOnCudaTest {
  private static final int B = KvShape.BLOCK_TOKENS;

  /** What the first turn leaves in the cache: its last token was drawn and never computed. */
  private static final int CONTEXT = 2 * B;

  private static final int FIRST_OUTPUTS = 9;
  private static final int FIRST_PROMPT = CONTEXT + 1 - FIRST_OUTPUTS;
  private static final int QUESTION = 20;
  private static final int OUTPUTS = 6;
  private static final int SHARDS = 4;

  /** TinyModel's: keys and values of 2 layers, 2 heads of 8, in 16 bits. */
  private static final long KV_TOKEN_BYTES = 2 * 2 * 2 * 8 * Short.BYTES;

  private static final int BLOCKS_OF_A_SHARD = 8;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    // the second turn's shard, strangers before it, lockstep; tokens shared, copied, restored
    "0, 0, false, 128, 0, 0",
    "1, 0, false, 128, 0, 0",
    "2, 0, false, 0, 128, 0",
    "3, 0, true, 0, 128, 0",
    "0, 8, false, 0, 0, 128",
    "3, 8, true, 0, 0, 128"
  })
  void onlyWhatIsNewIsComputed(
      int shard, int strangers, boolean lockstep, int shared, int copied, int restored)
      throws InterruptedException {
    Emulator emulator = Emulator.start("mode=lazy kernels=fast devices=2");
    Optional<String> reason = CudaDevice.unavailable();
    assumeTrue(reason.isEmpty(), () -> "skipped: " + reason.orElseThrow());
    assumeTrue(
        CudaDevice.class.getResource("attention.compute_80.ptx") != null,
        "skipped: this build's attention has no CUDA kernels");
    long kv = (long) SHARDS / 2 * BLOCKS_OF_A_SHARD * B * KV_TOKEN_BYTES;
    EngineOptions alone =
        EngineOptions.of(TinyModel.write(folder, DType.BF16, 1))
            .withDevice(DeviceChoice.CUDA)
            .withSlots(SHARDS)
            .withKvBytes(kv);
    EngineOptions options =
        alone
            .withDevices(List.of(DeviceChoice.cuda(0), DeviceChoice.cuda(1)))
            .withShards(SHARDS)
            .withLockstep(lockstep)
            .withHostKvBytes(8 << 20);
    int[] first = tokens(1, FIRST_PROMPT);
    int[] second;
    Completion.Choice answer;
    try (Engine engine = Engine.open(options)) {
      Generation one = engine.submit(request(first, FIRST_OUTPUTS, 0));
      second =
          Stream.of(first, one.await().choices().getFirst().tokenIds(), tokens(2, QUESTION))
              .flatMapToInt(Arrays::stream)
              .toArray();
      for (int stranger = 0; stranger < strangers; stranger++) {
        engine.submit(request(tokens(100 + stranger, B), 1, 0)).await();
      }

      Generation two = engine.submit(request(second, OUTPUTS, shard));
      answer = two.await().choices().getFirst();

      Account account = two.account();
      assertThat(account.recomputedTokens()).as("computed").isEqualTo(1 + QUESTION);
      assertThat(account.sharedTokens()).as("shared").isEqualTo(shared);
      assertThat(account.copiedTokens()).as("copied").isEqualTo(copied);
      assertThat(account.restoredTokens()).as("restored").isEqualTo(restored);
      assertThat(account.shard()).isEqualTo(shard);
      assertThat(engine.stats().heldBlocks()).isZero();
    }
    try (Engine engine = Engine.open(alone)) {
      assertThat(engine.submit(request(second, OUTPUTS, 0)).await().choices().getFirst())
          .isEqualTo(answer);
    }
    assertThat(emulator.mistakes()).isEmpty();
  }

  private static int[] tokens(long seed, int count) {
    return new Random(seed).ints(count, 0, TinyModel.VOCABULARY).toArray();
  }

  private static Request request(int[] prompt, int outputs, int shard) {
    Sampling sampling =
        Sampling.builder().temperature(0).ignoreEos(true).maxTokens(outputs).logprobs(1).build();
    return Request.of(Prompt.of(prompt), sampling).withTerms(Terms.DEFAULT.withShard(shard));
  }
}
