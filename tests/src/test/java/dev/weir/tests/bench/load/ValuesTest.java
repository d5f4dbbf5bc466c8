package dev.weir.tests.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class ValuesTest {
  @RepeatedTest(50)
  void aQuantileIsTheLeastValueThatItsShareDoesNotExceed(RepetitionInfo repetition) {
    Random random = new Random(repetition.getCurrentRepetition());
    double[] drawn = random.doubles(random.nextInt(1, 200)).toArray();
    double q = 1 - random.nextDouble();

    double quantile = Values.of(drawn).quantile(q);

    long within = Arrays.stream(drawn).filter(value -> value <= quantile).count();
    long below = Arrays.stream(drawn).filter(value -> value < quantile).count();
    assertThat(drawn).contains(quantile);
    assertThat((double) within).isGreaterThanOrEqualTo(q * drawn.length);
    assertThat((double) below).isLessThan(q * drawn.length);
  }

  @Test
  void theMedianOfAnEvenNumberLiesBetweenTheMiddleTwo() {
    assertThat(Values.of(4, 1, 3, 2).median()).isEqualTo(2.5);
    assertThat(Values.of(5, 1, 3).median()).isEqualTo(3);
  }

  @Test
  void nothingHasNoFigures() {
    assertThat(Values.of().median()).isNaN();
    assertThat(Values.of().max()).isNaN();
    assertThat(Values.of().mean()).isNaN();
  }
}
