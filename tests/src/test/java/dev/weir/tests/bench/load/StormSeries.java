package dev.weir.tests.bench.load;

import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * All runs of one storm against one server.
 *
 * @param label how tables and pictures call the server
 * @param group series of one group belong in one picture; possibly empty
 * @param runs at least one
 */
record StormSeries(String label, String group, List<StormRun> runs) {

  /** The median of what the runs show; NaN where none shows it. */
  double median(ToDoubleFunction<StormRun> value) {
    return Values.of(runs.stream().mapToDouble(value).filter(one -> !Double.isNaN(one)).toArray())
        .median();
  }

  /** The run that kept the median share: the one to draw. */
  StormRun middle() {
    return runs.stream()
        .sorted(Comparator.comparingDouble(StormRun::kept))
        .toList()
        .get(runs.size() / 2);
  }
}
