package dev.weir.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.weir.engine.plan.PlanLimits;
import dev.weir.engine.request.Account;
import dev.weir.engine.request.Generation;
import dev.weir.engine.request.Prompt;
import dev.weir.engine.request.Request;
import dev.weir.engine.request.Sampling;
import dev.weir.engine.request.Terms;
import dev.weir.engine.testing.TinyModel;
import dev.weir.kernels.DType;
import dev.weir.kernels.KvShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Contexts that are shared, copied and computed again: a journal says of each what its request's
 * account says.
 */
class JournalPlacementTest {
  private static final int B = KvShape.BLOCK_TOKENS;
  private static final int CONTEXTS = 8;
  private static final int REQUESTS = 150;

  /** Room for three of the contexts on each device. */
  private static final int BLOCKS = 20;

  private static final int HOST_BLOCKS = 16;

  @TempDir private Path folder;

  @Test
  void theJournalSaysOfEveryPlacementWhatTheAccountSays() {
    TinyModel.write(folder, DType.F32, 1);
    Random random = new Random(4);
    List<JournalRecord.Placement> placements = new ArrayList<>();
    Journal journal =
        new Journal(
            record -> {
              if (record instanceof JournalRecord.Placement placement) {
                placements.add(placement);
              }
            });
    JournalRecord.Placement sum = new JournalRecord.Placement(0, 0, 0, 0, 0, 0, 0, 0);
    try (HandDriven model = new HandDriven(folder, HandDriven.fastest(), HandDriven.fastest())) {
      LoopOptions options =
          LoopOptions.of(4, 8, 64, 8 * B, true, PlanLimits.withStepTokens(128))
              .withHostBlocks(HOST_BLOCKS);
      StepLoop loop = model.loop(options, BLOCKS, BLOCKS);
      loop.writeTo(journal);
      for (int number = 0; number < REQUESTS; number++) {
        int context = random.nextInt(CONTEXTS);
        int[] prompt =
            new Random(context).ints(B + random.nextInt(6 * B), 0, TinyModel.END).toArray();
        Request request =
            Request.of(Prompt.of(prompt), Sampling.builder().maxTokens(2).ignoreEos(true).build())
                .withTerms(Terms.DEFAULT.withShard(random.nextInt(4)));
        Generation generation = loop.submit(request, prompt);
        HandDriven.drain(loop);
        journal.drain();

        Account account = generation.account();
        assertThat(account.preemptions()).isZero();
        JournalRecord.Placement placement = placements.getLast();
        assertThat(placement)
            .isEqualTo(
                new JournalRecord.Placement(
                    number,
                    0,
                    placement.nanos(),
                    account.shard(),
                    account.sharedTokens(),
                    account.copiedTokens(),
                    account.restoredTokens(),
                    account.recomputedTokens()));
        assertThat(placements).hasSize(number + 1);
        sum =
            new JournalRecord.Placement(
                0,
                0,
                0,
                0,
                sum.shared() + placement.shared(),
                sum.copied() + placement.copied(),
                sum.restored() + placement.restored(),
                sum.recomputed() + placement.recomputed());
      }
    }
    assertThat(sum.shared()).isPositive();
    assertThat(sum.copied()).isPositive();
    assertThat(sum.recomputed()).isPositive();
  }
}
