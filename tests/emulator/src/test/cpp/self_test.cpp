// Holds the emulator against planted errors and plain arithmetic: self_test FAST_LIBRARY CHECKED_LIBRARY, both built
// from planted.cu and probe.cu. Prints a line per finding; exit status 1 where anything is not as it should be.
#include "launch.h"

#include <algorithm>
#include <cmath>
#include <dlfcn.h>
#include <random>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <vector>

namespace {

int failures = 0;

struct Library {
  const weir_kernel *kernels;
  uint32_t count;
  decltype(&weir_run) run;

  explicit Library(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      printf("%s\n", dlerror());
      exit(2);
    }
    kernels = reinterpret_cast<decltype(&weir_kernels)>(dlsym(handle, "weir_kernels"))(&count);
    run = reinterpret_cast<decltype(&weir_run)>(dlsym(handle, "weir_run"));
  }

  const weir_kernel *find(const std::string &name) const {
    for (uint32_t i = 0; i < count; i++) {
      if (name == kernels[i].name) {
        return &kernels[i];
      }
    }
    printf("there is no kernel '%s'\n", name.c_str());
    exit(2);
  }
};

struct Schedule {
  weir_thread_order order;
  weir_landing landing;
  uint64_t seed;

  std::string text() const {
    static const char *const orders[] = {"forward", "reverse", "random"};
    static const char *const landings[] = {"late", "early", "random"};
    return std::string(orders[order]) + "/" + landings[landing] + "/" + std::to_string(seed);
  }
};

std::vector<Schedule> schedules() {
  std::vector<Schedule> all;
  for (int order = 0; order < 3; order++) {
    for (int landing = 0; landing < 3; landing++) {
      for (uint64_t seed = 1; seed <= (order == 2 || landing == 2 ? 4u : 1u); seed++) {
        all.push_back({static_cast<weir_thread_order>(order), static_cast<weir_landing>(landing), seed});
      }
    }
  }
  return all;
}

/* Device memory of a test: arrays with room between them, and which bytes of them were ever written. */
class Memory {
public:
  template <class T> T *array(const char *what, size_t count, bool written) {
    const size_t bytes = count * sizeof(T);
    arrays.emplace_back(bytes + 2 * ROOM);
    masks.emplace_back((bytes + 7) / 8, static_cast<uint8_t>(written ? 0xFF : 0));
    unsigned char *begin = arrays.back().data() + ROOM;
    begin += (256 - reinterpret_cast<uintptr_t>(begin) % 256) % 256;
    const uint64_t at = reinterpret_cast<uint64_t>(begin);
    ranges.push_back({at, at + bytes, what, nullptr});
    return reinterpret_cast<T *>(begin);
  }

  /* Ascending, as a launch wants them. */
  const weir_memory *seen() {
    sorted.clear();
    for (size_t i = 0; i < ranges.size(); i++) {
      weir_range range = ranges[i];
      range.written = masks[i].data();
      size_t at = sorted.size();
      sorted.push_back(range);
      for (; at > 0 && sorted[at - 1].begin > range.begin; at--) {
        sorted[at] = sorted[at - 1];
      }
      sorted[at] = range;
    }
    memory = {sorted.data(), sorted.size()};
    return &memory;
  }

private:
  static constexpr size_t ROOM = 512;
  std::vector<std::vector<unsigned char>> arrays;
  std::vector<std::vector<uint8_t>> masks;
  std::vector<weir_range> ranges, sorted;
  weir_memory memory{};
};

/* Runs a kernel; the report, or "" where there is none. */
std::string run(const Library &library, const std::string &name, uint32_t blocks, const void *arguments,
                const Schedule &schedule, const weir_memory *memory) {
  weir_launch launch{};
  launch.kernel = library.find(name);
  launch.grid[0] = blocks;
  launch.grid[1] = launch.grid[2] = 1;
  launch.block[0] = launch.kernel->threads;
  launch.block[1] = launch.block[2] = 1;
  launch.dynamic_shared_bytes = static_cast<uint32_t>(launch.kernel->shared_bytes);
  launch.arguments = arguments;
  launch.order = schedule.order;
  launch.landing = schedule.landing;
  launch.seed = schedule.seed;
  launch.memory = memory;
  char report[4096] = "";
  return library.run(&launch, report, sizeof report) == 0 ? "" : report;
}

void expect(bool holds, const std::string &what) {
  if (!holds) {
    printf("FAILED: %s\n", what.c_str());
    failures++;
  }
}

/* An error, and words of which every report of it has one ('|' between them). */
struct Planted {
  const char *name;
  const char *words;
  uint32_t blocks;
  bool unchecked; // a library without checks reports it too
};

constexpr Planted PLANTED[] = {
    {"dropped_barrier", "with no barrier between|nobody has written", 1, false},
    {"dropped_second_barrier", "with no barrier between", 1, false},
    {"dropped_warp_barrier", "with no barrier between|nobody has written", 1, false},
    {"shuffle_as_barrier", "with no barrier between|nobody has written", 1, false},
    {"warp_barrier_for_block", "with no barrier between|nobody has written", 1, false},
    {"device_memory_race", "with no barrier between|nobody has written", 1, false},
    {"uninitialised_shared", "nobody has written in this block", 1, false},
    {"shared_read_by_one", "byte 512 of the 512 of shared array 'tile', out of its bounds", 1, false},
    {"shared_write_by_one", "byte 512 of the 512 of dynamic shared memory, out of its bounds", 1, false},
    {"read_by_one", "byte 16384 of the 16384 of device memory 'in'", 1, false},
    {"write_by_one", "byte 16384 of the 16384 of device memory 'out'", 1, false},
    {"read_before", "out of its bounds", 1, false},
    {"never_written", "of device memory 'out'", 1, false},
    {"misaligned_load", "not a multiple of 16", 1, true},
    {"misaligned_float", "not a multiple of 4", 1, false},
    {"wait_depth", "in flight", 1, false},
    {"no_barrier_behind_wait", "no barrier between|in flight|nobody has written", 1, false},
    {"stage_in_use", "no barrier between|in flight", 1, false},
    {"not_committed", "in flight", 1, false},
    {"written_in_flight", "in flight", 1, false},
    {"zeros_read_nothing", "of device memory 'in'", 1, false},
    {"divergent_shuffle", "wait in shuffle_xor", 1, true},
    {"left_before_shuffle", "lanes 4-31 have left the kernel", 1, true},
    {"divergent_barrier", "wait in sync_block", 1, true},
    {"different_collectives", "wait in warp_max", 1, true},
    {"matrix_before_warp_barrier", "with no barrier between", 1, false},
    {"misaligned_row", "not a multiple of 16", 1, true},
    {"two_blocks_write", "nothing orders the two blocks", 4, false},
    {"reads_another_block", "nothing orders the two blocks|nobody has written", 4, false},
    {"no_fence_before", "nothing orders the two blocks", 4, false},
    {"no_fence_behind", "nothing orders the two blocks", 4, false},
    {"no_barrier_before_fence", "nothing orders the two blocks", 4, false},
    {"no_barrier_behind_fence", "no barrier between|nobody has written", 4, false},
    {"chain_without_fence", "nothing orders the two blocks", 4, false},
    {"chain_without_fence_behind", "nothing orders the two blocks", 4, false},
    {"chain_without_barrier", "nothing orders the two blocks", 4, false},
    {"waits_for_ever", "waits for ever", 4, true},
    {"counts", "nothing orders the two blocks|no barrier between", 4, false},
    {"streams_what_is_written", "stream read", 4, false},
};

/* Reports of the kernel's run; `out` is what it left. */
std::string run_planted(const Library &library, const Planted &planted, const char *twin, const Schedule &schedule,
                        std::vector<float> *out = nullptr) {
  Memory memory;
  float *in = memory.array<float>("in", 4096, true);
  float *result = memory.array<float>("out", 4096, false);
  int32_t *counter = memory.array<int32_t>("counter", 1, true);
  for (int i = 0; i < 4096; i++) {
    in[i] = static_cast<float>(i % 251) / 8;
    result[i] = 0;
  }
  *counter = 0;
  const struct {
    const float *in;
    float *out;
    int32_t *counter;
  } arguments{in, result, counter};
  const std::string report =
      run(library, std::string(planted.name) + twin, planted.blocks, &arguments, schedule, memory.seen());
  if (out != nullptr) {
    out->assign(result, result + 4096);
  }
  return report;
}

bool has_words(const std::string &report, const std::string &words) {
  for (size_t begin = 0; begin <= words.size();) {
    const size_t end = std::min(words.find('|', begin), words.size());
    if (report.find(words.substr(begin, end - begin)) != std::string::npos) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

void planted_errors(const Library &fast, const Library &checked) {
  for (const Planted &planted : PLANTED) {
    std::string shown;
    std::vector<float> first;
    for (const Schedule &schedule : schedules()) {
      const std::string name = planted.name, where = " under " + schedule.text();
      const std::string found = run_planted(checked, planted, "_wrong", schedule);
      expect(!found.empty(), name + "_wrong is not reported" + where);
      expect(found.empty() || has_words(found, planted.words),
             name + "_wrong" + where + " is reported without '" + planted.words + "': " + found);
      expect(found.empty() || found.find("planted.cu:") != std::string::npos,
             name + "_wrong" + where + " is reported without its line: " + found);
      if (planted.unchecked) {
        expect(!run_planted(fast, planted, "_wrong", schedule).empty(),
               name + "_wrong is not reported by the fast library" + where);
      }
      if (shown.empty()) {
        shown = found;
        printf("%s\n", found.c_str());
      }
      for (const Library *library : {&fast, &checked}) {
        std::vector<float> out;
        const std::string none = run_planted(*library, planted, "_right", schedule, &out);
        expect(none.empty(), name + "_right" + where + " is reported: " + none);
        if (first.empty()) {
          first = out;
        }
        expect(memcmp(out.data(), first.data(), out.size() * sizeof(float)) == 0,
               name + "_right computes something else" + where);
      }
    }
  }
}

uint32_t bits(float value) {
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  return word;
}

void fragments(const Library &library) {
  std::mt19937 random(7);
  for (int way = 0; way < 8; way++) {
    for (const bool brain : {true, false}) {
      Memory memory;
      uint16_t *a = memory.array<uint16_t>("a", 256, true), *a_transposed = memory.array<uint16_t>("a^T", 256, true);
      uint16_t *b = memory.array<uint16_t>("b", 128, true), *b_transposed = memory.array<uint16_t>("b^T", 128, true);
      float *out = memory.array<float>("out", 128, false);
      float left[16][16], right[16][8];
      const auto small = [&](float &value) { // exact in both formats, and all sums are exact in float
        const int whole = static_cast<int>(random() % 33) - 16;
        value = static_cast<float>(whole);
        if (brain) {
          return static_cast<uint16_t>(bits(value) >> 16);
        }
        const _Float16 half = static_cast<_Float16>(value);
        uint16_t word;
        memcpy(&word, &half, sizeof word);
        return word;
      };
      for (int m = 0; m < 16; m++) {
        for (int k = 0; k < 16; k++) {
          a[16 * m + k] = a_transposed[16 * k + m] = small(left[m][k]);
        }
      }
      for (int k = 0; k < 16; k++) {
        for (int n = 0; n < 8; n++) {
          b[8 * k + n] = b_transposed[16 * n + k] = small(right[k][n]);
        }
      }
      const struct {
        const uint16_t *a, *a_transposed, *b, *b_transposed;
        float *out;
      } arguments{a, a_transposed, b, b_transposed, out};
      const std::string name = std::string(brain ? "product_bf16_" : "product_f16_") + std::to_string(way);
      for (const Schedule &schedule : schedules()) {
        const std::string report = run(library, name, 1, &arguments, schedule, memory.seen());
        expect(report.empty(), name + ": " + report);
        for (int m = 0; m < 16; m++) {
          for (int n = 0; n < 8; n++) {
            float sum = 0;
            for (int k = 0; k < 16; k++) {
              sum += left[m][k] * right[k][n];
            }
            expect(sum == out[8 * m + n], name + " is wrong in row " + std::to_string(m) + ", column " +
                                              std::to_string(n) + " under " + schedule.text());
          }
        }
      }
    }
  }
}

double widened(uint16_t half, int exponent_bits, int fraction_bits) {
  const int exponent = half >> fraction_bits & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
  const int fraction = half & ((1 << fraction_bits) - 1);
  const double sign = half >> 15 != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction != 0 ? NAN : sign * INFINITY;
  }
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                         : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  return sign * magnitude;
}

/* The nearest half to `value` by search; a tie goes to the even one. Infinity stands where the next number would. */
uint16_t nearest(float value, int exponent_bits, int fraction_bits) {
  if (std::isnan(value)) {
    return 0x7FFF;
  }
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  const uint16_t infinity = static_cast<uint16_t>(((1 << exponent_bits) - 1) << fraction_bits);
  uint16_t low = 0, high = infinity;
  const auto at = [&](uint16_t half) {
    return half == infinity ? std::ldexp(1.0, 1 << (exponent_bits - 1)) : widened(half, exponent_bits, fraction_bits);
  };
  if (magnitude >= at(infinity)) {
    return sign | infinity;
  }
  while (high - low > 1) {
    const uint16_t middle = static_cast<uint16_t>((low + high) / 2);
    (at(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - at(low), above = at(high) - magnitude;
  const bool up = above < below || (above == below && high % 2 == 0);
  return sign | (up ? high : low);
}

void numbers(const Library &library) {
  const int count = 1 << 17;
  Memory memory;
  float *values = memory.array<float>("values", count, true);
  uint16_t *rounded = memory.array<uint16_t>("rounded", 2 * count, false);
  uint16_t *halves = memory.array<uint16_t>("halves", count, true);
  float *wide = memory.array<float>("widened", 2 * count, false);
  std::mt19937 random(11);
  for (int i = 0; i < count; i++) {
    halves[i] = static_cast<uint16_t>(i);
    // All bit patterns; numbers of a half's own size; exact ties between two halves.
    const uint32_t word = random();
    float value;
    memcpy(&value, &word, sizeof value);
    if (i % 3 == 1) {
      value = std::ldexp(static_cast<float>(static_cast<int32_t>(word)), -static_cast<int>(20 + random() % 40));
    } else if (i % 3 == 2) {
      value = static_cast<float>((widened(static_cast<uint16_t>(word & 0x7BFF), 5, 10) +
                                  widened(static_cast<uint16_t>((word & 0x7BFF) + 1), 5, 10)) / 2);
    }
    values[i] = value;
  }
  const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 65504.0f, 65519.99f, 65520.0f, 0x1p-24f, 0x1p-25f,
                           0x1.000002p-25f, 0x1p-14f, 0x1.ffcp-15f, 0x1.fep127f, 0x1.ffp127f, 0x1p-149f};
  memcpy(values, special, sizeof special);
  const struct {
    const float *values;
    uint16_t *rounded;
    const uint16_t *halves;
    float *widened;
    int64_t count;
  } arguments{values, rounded, halves, wide, count};
  const std::string report = run(library, "numbers", 4, &arguments, {WEIR_FORWARD, WEIR_LAND_LATE, 1}, memory.seen());
  expect(report.empty(), report);
  for (int i = 0; i < count; i++) {
    char text[64];
    snprintf(text, sizeof text, "%a", static_cast<double>(values[i]));
    expect(rounded[2 * i] == nearest(values[i], 8, 7), std::string("round_to<bf16>(") + text + ")");
    expect(rounded[2 * i + 1] == nearest(values[i], 5, 10), std::string("round_to<f16>(") + text + ")");
    for (int kind = 0; kind < 2; kind++) {
      const float expected = static_cast<float>(kind == 0 ? widened(halves[i], 8, 7) : widened(halves[i], 5, 10));
      const float got = wide[2 * i + kind];
      expect(std::isnan(expected) ? std::isnan(got) : bits(expected) == bits(got),
             std::string(kind == 0 ? "to_float(bf16 " : "to_float(f16 ") + std::to_string(halves[i]) + ")");
    }
  }
}

void folds(const Library &library) {
  Memory memory;
  float *in = memory.array<float>("in", 32, true), *out = memory.array<float>("out", 5 * 32, false);
  std::mt19937 random(13);
  std::normal_distribution<float> normal;
  uint32_t votes = 0;
  float sums[32], greatest = -INFINITY;
  for (int lane = 0; lane < 32; lane++) {
    in[lane] = sums[lane] = normal(random);
    votes |= (in[lane] > 0 ? 1u : 0u) << lane;
    greatest = std::fmax(greatest, in[lane]);
  }
  for (int mask = 16; mask > 0; mask /= 2) {
    float next[32];
    for (int lane = 0; lane < 32; lane++) {
      next[lane] = sums[lane] + sums[lane ^ mask];
    }
    memcpy(sums, next, sizeof sums);
  }
  const struct {
    const float *in;
    float *out;
  } arguments{in, out};
  for (const Schedule &schedule : schedules()) {
    const std::string report = run(library, "folds", 1, &arguments, schedule, memory.seen());
    expect(report.empty(), report);
    for (int lane = 0; lane < 32; lane++) {
      const float *got = out + 5 * lane;
      expect(bits(got[0]) == bits(sums[0]), "warp_sum");
      expect(bits(got[1]) == bits(greatest), "warp_max");
      expect(bits(got[2]) == votes, "ballot");
      expect(bits(got[3]) == bits(in[5]), "shuffle");
      expect(bits(got[4]) == bits(in[lane ^ 3]), "shuffle_xor");
    }
  }
}

/* Every probe of kernels/src/main/cuda/probe.cu: no report, and the same bits under every schedule. */
void probes(const Library &fast, const Library &checked) {
  for (uint32_t i = 0; i < checked.count; i++) {
    const std::string name = checked.kernels[i].name;
    if (name.rfind("probe_", 0) != 0) {
      continue;
    }
    std::vector<uint32_t> first;
    for (const Library *library : {&checked, &fast}) {
      for (const Schedule &schedule : schedules()) {
        Memory memory;
        uint32_t *in = memory.array<uint32_t>("in", 1024, true), *out = memory.array<uint32_t>("out", 4096, false);
        std::mt19937 random(17);
        for (int word = 0; word < 1024; word++) {
          in[word] = random();
        }
        memset(out, 0, 4096 * sizeof *out);
        const struct {
          const uint32_t *in;
          uint32_t *out;
        } arguments{in, out};
        const std::string report = run(*library, name, 1, &arguments, schedule, memory.seen());
        expect(report.empty(), report);
        const std::vector<uint32_t> got(out, out + 4096);
        if (first.empty()) {
          first = got;
        }
        expect(got == first, name + " computes something else under " + schedule.text());
      }
    }
  }
}

} // namespace

int main(int count, char **arguments) {
  if (count != 3) {
    printf("usage: self_test FAST_LIBRARY CHECKED_LIBRARY\n");
    return 2;
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const Library fast(arguments[1]), checked(arguments[2]);
  planted_errors(fast, checked);
  for (const Library *library : {&fast, &checked}) {
    fragments(*library);
    numbers(*library);
    folds(*library);
  }
  probes(fast, checked);
  printf(failures == 0 ? "all as it should be\n" : "%d things are not as they should be\n", failures);
  return failures == 0 ? 0 : 1;
}
