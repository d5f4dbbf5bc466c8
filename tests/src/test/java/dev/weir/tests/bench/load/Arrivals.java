package dev.weir.tests.bench.load;

import java.util.Random;

/** When requests arrive. */
sealed interface Arrivals {

  /** How many there may be at once, whenever they were due. */
  int NO_LIMIT = Integer.MAX_VALUE;

  /**
   * The seconds at which {@code count} requests are due, ascending, from 0.
   *
   * @param count at least 1
   */
  double[] due(int count, Random random);

  /**
   * Independent of each other and of what the server does.
   *
   * @param rate requests per second, on average
   */
  record Poisson(double rate) implements Arrivals {
    public Poisson {
      require(rate > 0, "a rate must be positive, not " + rate);
    }

    @Override
    public double[] due(int count, Random random) {
      double[] due = new double[count];
      for (int i = 1; i < count; i++) {
        due[i] = due[i - 1] - Math.log(1 - random.nextDouble()) / rate;
      }
      return due;
    }
  }

  /**
   * So many at a time.
   *
   * @param size requests of one burst
   * @param seconds from burst to burst
   */
  record Burst(int size, double seconds) implements Arrivals {
    public Burst {
      require(size >= 1 && seconds >= 0, "no bursts: " + size + " every " + seconds + " s");
    }

    @Override
    public double[] due(int count, Random random) {
      double[] due = new double[count];
      for (int i = 0; i < count; i++) {
        int burst = i / size;
        due[i] = burst * seconds;
      }
      return due;
    }
  }

  /**
   * Each client sends its next request when it has its answer.
   *
   * @param clients how many there are
   */
  record ClosedLoop(int clients) implements Arrivals {
    public ClosedLoop {
      require(clients >= 1, "at least one client is needed, not " + clients);
    }

    @Override
    public double[] due(int count, Random random) {
      return new double[count];
    }
  }

  /** {@code poisson:RATE}, {@code burst:SIZE}, {@code burst:SIZE,SECONDS} or {@code closed:N}. */
  static Arrivals parse(String form) {
    int colon = form.indexOf(':');
    String[] numbers = form.substring(colon + 1).split(",", 2);
    try {
      return switch (form.substring(0, Math.max(0, colon))) {
        case "poisson" -> new Poisson(Double.parseDouble(numbers[0]));
        case "burst" ->
            new Burst(
                Integer.parseInt(numbers[0]),
                numbers.length > 1 ? Double.parseDouble(numbers[1]) : 0);
        case "closed" -> new ClosedLoop(Integer.parseInt(numbers[0]));
        default -> throw new NumberFormatException();
      };
    } catch (NumberFormatException wrong) {
      throw new IllegalArgumentException(
          "'" + form + "' is none of poisson:RATE, burst:SIZE, burst:SIZE,SECONDS, closed:CLIENTS");
    }
  }

  private static void require(boolean holds, String message) {
    if (!holds) {
      throw new IllegalArgumentException(message);
    }
  }
}
