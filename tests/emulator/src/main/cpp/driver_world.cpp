// The one world of an emulated driver, how it is configured, and the gate that every call goes through.
#include "driver.h"
#include "driver_control.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace weir::emulator {

namespace {

constexpr size_t MAX_REPORTS = 100;
constexpr int MAX_DEVICES = 16;
constexpr const char *ENVIRONMENT = "WEIR_EMULATOR"; // the configuration to start with

// Whose context is gone, or of another world, is no context.
thread_local uint64_t current = 0;

uint64_t number(const std::string &key, const std::string &text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(end, text.data() + text.size());
  int shift = unit == "k" ? 10 : unit == "m" ? 20 : unit == "g" ? 30 : unit.empty() ? 0 : -1;
  if (error != std::errc() || shift < 0) {
    throw std::string(key + ": '" + text + "' is no number");
  }
  return value << shift;
}

template <class Choice>
Choice choose(const std::string &key, const std::string &text, std::map<std::string, Choice> choices) {
  auto found = choices.find(text);
  if (found == choices.end()) {
    std::string known;
    for (auto &choice : choices) {
      known += (known.empty() ? "" : ", ") + choice.first;
    }
    throw std::string(key + ": '" + text + "' is none of " + known);
  }
  return found->second;
}

// WHERE:[+]N[+][:RESULT]
Injection injection(World &world, const std::string &text) {
  size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw std::string("fail: '" + text + "' is not WHERE:[+]N[+][:RESULT]");
  }
  size_t second = text.find(':', colon + 1);
  std::string count = text.substr(colon + 1, second == std::string::npos ? second : second - colon - 1);
  bool onwards = !count.empty() && count.back() == '+';
  if (onwards) {
    count.pop_back();
  }
  std::string where = text.substr(0, colon);
  uint64_t from = 0;
  if (!count.empty() && count.front() == '+') { // other threads call while a test counts: so we count
    count.erase(0, 1);
    from = world.calls[where == "lost" ? "call" : where];
  }
  from += number("fail", count);
  std::string name = second == std::string::npos ? "CUDA_ERROR_UNKNOWN" : text.substr(second + 1);
  CUresult result = result_named(name);
  if (result == CUDA_ERROR_UNKNOWN && name != "CUDA_ERROR_UNKNOWN") {
    throw std::string("fail: no result is named " + name);
  }
  return {where, from, onwards ? UINT64_MAX : from, result};
}

void configure(World &world, Configuration &configuration, const std::string &key, const std::string &value) {
  if (key == "devices") {
    configuration.devices = static_cast<int>(std::min<uint64_t>(number(key, value), MAX_DEVICES));
  } else if (key == "memory") {
    configuration.memory = number(key, value);
  } else if (key == "capability") {
    size_t dot = value.find('.');
    if (dot == std::string::npos) {
      throw std::string("capability: '" + value + "' is not MAJOR.MINOR");
    }
    configuration.major = static_cast<int>(number(key, value.substr(0, dot)));
    configuration.minor = static_cast<int>(number(key, value.substr(dot + 1)));
  } else if (key == "driver") {
    configuration.driver = static_cast<int>(number(key, value));
  } else if (key == "peers") {
    configuration.peers = choose<bool>(key, value, {{"yes", true}, {"no", false}});
  } else if (key == "mode") {
    configuration.lazy = choose<bool>(key, value, {{"lazy", true}, {"eager", false}});
  } else if (key == "kernels") {
    configuration.kernels = value;
  } else if (key == "order") {
    configuration.order = choose<weir_thread_order>(
        key, value, {{"forward", WEIR_FORWARD}, {"reverse", WEIR_REVERSE}, {"random", WEIR_RANDOM}});
  } else if (key == "landing") {
    configuration.landing = choose<weir_landing>(
        key, value, {{"late", WEIR_LAND_LATE}, {"early", WEIR_LAND_EARLY}, {"random", WEIR_LAND_RANDOM}});
  } else if (key == "seed") {
    configuration.seed = number(key, value);
  } else if (key == "copies") {
    configuration.slow_copies = choose<bool>(key, value, {{"slow", true}, {"normal", false}});
  } else if (key == "fail") {
    configuration.injections.push_back(injection(world, value));
  } else {
    throw std::string("no key '" + key + "'; there are devices, memory, capability, driver, peers, mode, kernels, "
                                        "order, landing, seed, copies, fail");
  }
}

// Keys that a live context relies on.
bool shapes_the_machine(const std::string &key) {
  return key == "devices" || key == "memory" || key == "capability" || key == "driver" || key == "peers";
}

std::string configure_all(World &world, const std::string &text) {
  Configuration changed = world.configuration;
  bool seeded = false;
  std::istringstream words(text);
  std::string word;
  try {
    while (words >> word) {
      size_t equals = word.find('=');
      std::string key = word.substr(0, equals);
      if (equals == std::string::npos) {
        throw std::string("'" + word + "' is not key=value");
      }
      if (shapes_the_machine(key) && !world.contexts.all().empty()) {
        throw std::string(key + " cannot change while a context is live");
      }
      configure(world, changed, key, word.substr(equals + 1));
      seeded |= key == "seed";
    }
  } catch (const std::string &error) {
    return error;
  }
  world.configuration = changed;
  if (seeded) {
    world.dice.seed(changed.seed);
  }
  return "";
}

const Injection *injected(const std::string &where, uint64_t count) {
  for (const Injection &injection : world().configuration.injections) {
    if (injection.where == where && injection.from <= count && count <= injection.to) {
      return &injection;
    }
  }
  return nullptr;
}

void remember(const std::string &what) {
  auto &reports = world().reports;
  if (reports.size() < MAX_REPORTS) {
    reports.push_back(what);
  }
}

uint64_t copy_text(const std::string &text, char *out, uint64_t out_bytes) {
  if (out != nullptr && out_bytes > 0) {
    uint64_t count = std::min<uint64_t>(text.size(), out_bytes - 1);
    memcpy(out, text.data(), count);
    out[count] = 0;
  }
  return text.size();
}

} // namespace

World::World() {
  if (const char *text = getenv(ENVIRONMENT)) {
    std::string error = configure_all(*this, text);
    if (!error.empty()) {
      fprintf(stderr, "%s: %s\n", ENVIRONMENT, error.c_str());
      abort();
    }
  }
  dice.seed(configuration.seed);
}

World &world() {
  static World *one = new World; // never destroyed: threads may call while the process ends
  return *one;
}

void reset_world() {
  World &old = world();
  for (auto &[number, work] : old.pending) {
    work->after.clear();
    work->next.clear();
  }
  old.pending.clear();
  old.runnable.clear();
  while (!old.regions.empty()) {
    release(old.regions.begin()->second);
  }
  World fresh;
  old.configuration = fresh.configuration;
  old.dice = fresh.dice;
  old.initialised = false;
  old.lost = CUDA_SUCCESS;
  old.calls.clear();
  old.reports.clear();
  old.clock = 0;
  old.streams.clear();
  old.events.clear();
  old.execs.clear();
  old.graphs.clear();
  old.node_graphs.clear();
  old.functions.clear();
  old.kernels.clear();
  old.modules.clear();
  old.physicals.clear();
  old.reserved.clear();
  old.contexts.clear();
  old.primary.clear();
  old.freed.clear();
  old.used.clear();
}

void refuse(CUresult result) { throw Failure{result}; }

void misuse(CUresult result, const std::string &what) {
  remember(std::string(world().function) + ": " + what);
  throw Failure{result};
}

void report(const std::string &what) { remember(what); }

CUresult result_named(const std::string &name) {
  for (int code = 0; code <= CUDA_ERROR_UNKNOWN; code++) {
    const char *known = nullptr;
    if (cuGetErrorName(static_cast<CUresult>(code), &known) == CUDA_SUCCESS && name == known) {
      return static_cast<CUresult>(code);
    }
  }
  return CUDA_ERROR_UNKNOWN;
}

CUresult admit(const char *function, Needs needs) {
  World &here = world();
  here.function = function;
  uint64_t count = ++here.calls[function];
  uint64_t all = ++here.calls["call"];
  if (here.lost != CUDA_SUCCESS) {
    return here.lost;
  }
  if (const Injection *lost = injected("lost", all)) {
    here.lost = lost->result;
    return here.lost;
  }
  if (const Injection *failing = injected(function, count)) {
    return failing->result;
  }
  if (since(function) > here.configuration.driver) {
    return CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER;
  }
  if (needs != Needs::NOTHING && !here.initialised) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (needs == Needs::CONTEXT) {
    Context *context = current_context();
    if (context == nullptr) {
      remember(std::string(function) + ": this thread has no current context");
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    return context->sticky;
  }
  return CUDA_SUCCESS;
}

Context *current_context() { return world().contexts.find(current); }

void set_current_context(uint64_t handle) { current = handle; }

void inject_into(const char *what) {
  if (const Injection *injection = injected(what, ++world().calls[what])) {
    throw Fault{injection->result, std::string("injected into ") + what};
  }
}

} // namespace weir::emulator

using namespace weir::emulator;

extern "C" {

uint64_t weir_emulator_configure(const char *text, char *error, uint64_t error_bytes) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return copy_text(configure_all(world(), text), error, error_bytes);
}

void weir_emulator_reset(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  reset_world();
}

uint64_t weir_emulator_report(char *out, uint64_t out_bytes) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  std::string all;
  for (const std::string &one : world().reports) {
    all += (all.empty() ? "" : "\n") + one;
  }
  return copy_text(all, out, out_bytes);
}

int64_t weir_emulator_count(const char *what) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  World &here = world();
  std::string name = what;
  auto regions = [&](auto wanted) {
    return std::count_if(here.regions.begin(), here.regions.end(),
                         [&](auto &entry) { return !entry.second.internal && wanted(entry.second); });
  };
  if (name == "allocations") {
    return regions([](const Region &region) { return region.place == Place::DEVICE; });
  }
  if (name == "pinned") {
    return regions([](const Region &region) { return on_host(region); });
  }
  if (name == "bytes") {
    uint64_t bytes = 0;
    for (auto &entry : here.used) {
      bytes += entry.second;
    }
    return static_cast<int64_t>(bytes);
  }
  if (name == "streams") {
    return static_cast<int64_t>(here.streams.all().size());
  }
  if (name == "events") {
    return static_cast<int64_t>(here.events.all().size());
  }
  if (name == "graphs") {
    return static_cast<int64_t>(here.graphs.all().size() + here.execs.all().size());
  }
  if (name == "modules") {
    return static_cast<int64_t>(here.modules.all().size());
  }
  if (name == "contexts") {
    return static_cast<int64_t>(here.contexts.all().size());
  }
  if (name == "pending") {
    return static_cast<int64_t>(here.pending.size());
  }
  auto calls = here.calls.find(name); // a function's name, or "call", "kernel", "copy"
  return calls == here.calls.end() ? 0 : static_cast<int64_t>(calls->second);
}
}
