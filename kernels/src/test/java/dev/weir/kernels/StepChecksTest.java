package dev.weir.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class StepChecksTest {
  private static final int HEAD_DIM = 64;
  private static final int ROTARY_DIM = 8;
  private static final AttentionShape SHAPE =
      new AttentionShape(2, 1, HEAD_DIM, 0.125f, AttentionShape.NO_WINDOW, 0);

  private static KvShape kv(DeviceFixture fixture) {
    return new KvShape(2, 1, HEAD_DIM, fixture.kv);
  }

  static List<DeviceCase> devices() {
    return DeviceCase.oneOfEach();
  }

  /** A step of two slices: position 70 of one sequence, positions 3 and 4 of another. */
  private static final class Step {
    int[] positions = {70, 3, 4};
    int[] tokenSlices = {0, 1, 1};
    int[] sliceOffsets = {0, 1, 3};
    int[] kvLengths = {71, 5};
    int[] tableRows = {1, 0};
    int[] table = {5, -1, 0, 7};
    int layer = 1;

    void attend(DeviceFixture fixture) {
      StepInputs step =
          new StepInputs(
              fixture.ints(3, 2, 0),
              fixture.ints(0, 0, 0),
              fixture.ints(positions),
              fixture.ints(tokenSlices),
              fixture.ints(sliceOffsets),
              fixture.ints(kvLengths),
              fixture.ints(tableRows),
              fixture.ints(table),
              2,
              fixture.ints(0),
              null);
      step.counts(3, 2, 0);
      KvArena cache = fixture.device.allocateKv(kv(fixture), 8);
      Buffer qkv = fixture.activations(3 * SHAPE.qkvColumns());
      Buffer table = fixture.floats(new float[80 * ROTARY_DIM / 2]);
      RotaryTable rotary = new RotaryTable(table, table, 80, ROTARY_DIM);
      fixture.kernels.rotateAndCache(step, SHAPE, null, rotary, qkv, cache, layer);
      fixture.kernels.attention(
          step, SHAPE, qkv, cache, layer, fixture.activations(3 * 2 * HEAD_DIM));
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_sound_step_passes(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      assertThatCode(() -> new Step().attend(fixture)).doesNotThrowAnyException();
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_number_that_would_address_foreign_memory_is_named(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Step block = new Step();
      block.table[3] = 8;
      assertRefused(fixture, block, "block is 8");
      Step negative = new Step();
      negative.table[0] = -1;
      assertRefused(fixture, negative, "block is -1");
      Step length = new Step();
      length.positions[0] = 79;
      assertRefused(fixture, length, "KV length is 71");
      Step far = new Step();
      far.positions[0] = 80;
      far.kvLengths[0] = 81;
      assertRefused(fixture, far, "position is 80");
      Step wide = new Step();
      wide.positions[0] = 128;
      wide.kvLengths[0] = 129;
      assertRefused(fixture, wide, "KV length is 129");
      Step slice = new Step();
      slice.tokenSlices[2] = 0;
      assertRefused(fixture, slice, "slice is 0");
      Step layer = new Step();
      layer.layer = 2;
      assertRefused(fixture, layer, "layer is 2");
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void blocks_are_copied_whole_and_only_inside_the_arena(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      KvArena cache = fixture.device.allocateKv(kv(fixture), 8);
      int floats = (int) (cache.shape().blockBytes() / Float.BYTES);
      float[] content = DeviceFixture.normals(Seeds.random(3), 8 * floats);
      fixture.device.write(
          cache.memory(),
          0,
          java.lang.foreign.MemorySegment.ofArray(DeviceFixture.encode(DType.F32, content)));
      fixture.kernels.copyBlocks(cache, 3, fixture.ints(2, 7, 0, 2, 7, 5));
      float[] after = fixture.readFloats(cache.memory(), 8 * floats);
      int[] cameFrom = {0, 1, 0, 3, 4, 2, 6, 2};
      for (int b = 0; b < 8; b++) {
        assertThat(Arrays.copyOfRange(after, b * floats, (b + 1) * floats))
            .isEqualTo(
                Arrays.copyOfRange(content, cameFrom[b] * floats, (cameFrom[b] + 1) * floats));
      }
      assertThatThrownBy(() -> fixture.kernels.copyBlocks(cache, 1, fixture.ints(0, 8)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("block is 8");
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void a_token_stands_for_a_drawn_row_that_is_there(DeviceCase device) {
    try (DeviceFixture fixture = device.open()) {
      Buffer drawn = fixture.ints(new int[2 * SampleLayout.RESULT_BYTES / Integer.BYTES]);
      assertThatCode(() -> StepChecks.inVocabulary(tokens(fixture, drawn, 9, -1, -2), 10))
          .doesNotThrowAnyException();
      assertThatThrownBy(() -> StepChecks.inVocabulary(tokens(fixture, drawn, 9, -3, -2), 10))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("token id -3");
      assertThatThrownBy(() -> StepChecks.inVocabulary(tokens(fixture, null, 9, -1, 0), 10))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("token id -1");
    }
  }

  private static StepInputs tokens(DeviceFixture fixture, @Nullable Buffer drawn, int... ids) {
    Buffer none = fixture.ints(0);
    StepInputs step =
        new StepInputs(none, fixture.ints(ids), none, none, none, none, none, none, 1, none, drawn);
    step.counts(ids.length, 1, 0);
    return step;
  }

  private static void assertRefused(DeviceFixture fixture, Step step, String why) {
    assertThatThrownBy(() -> step.attend(fixture))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(why);
  }
}
