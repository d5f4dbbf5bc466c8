package dev.weir.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class SizeClassesTest {
  private static final int MOST = 8192;

  @Test
  void a_class_holds_its_counts_and_wastes_little() {
    for (int count = 0; count <= MOST; count++) {
      int size = SizeClasses.of(count, MOST);
      assertThat(size).isGreaterThanOrEqualTo(count);
      assertThat(SizeClasses.of(size, MOST)).as("a class is of its own class").isEqualTo(size);
      if (count > 8) {
        assertThat(size - count).isLessThan(count <= 512 ? 64 : count / 8 + 1);
      }
    }
  }

  @Test
  void decode_steps_have_close_classes_and_all_steps_few() {
    Set<Integer> sizes = new TreeSet<>();
    for (int count = 0; count <= MOST; count++) {
      sizes.add(SizeClasses.of(count, MOST));
    }
    assertThat(sizes)
        .startsWith(0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 128, 192, 256)
        .contains(512, 1024, 2048, 4096, MOST)
        .hasSizeLessThan(60);
  }

  @Test
  void more_samples_than_tokens_are_in_no_class() {
    for (int tokens = 1; tokens <= 600; tokens++) {
      int size = SizeClasses.of(tokens, 600);
      for (int samples = 0; samples <= tokens; samples++) {
        assertThat(SizeClasses.of(samples, Math.min(50_000, size))).isLessThanOrEqualTo(size);
      }
    }
  }

  @Test
  void the_largest_step_is_a_class_and_nothing_is_beyond_it() {
    assertThat(SizeClasses.of(99, 100)).isEqualTo(100);
    assertThat(SizeClasses.of(100, 100)).isEqualTo(100);
    assertThatThrownBy(() -> SizeClasses.of(101, 100))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("101 rows", "100 were reserved");
  }
}
