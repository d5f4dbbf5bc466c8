// The device's progress: which enqueued work runs when.
#include "driver.h"

#include <algorithm>

namespace weir::emulator {

namespace {

constexpr uint64_t POLL_STEPS = 3; // a poll finds the device up to two works further
constexpr double LAUNCH_MICROSECONDS = 2;

uint64_t marks = 0;

void finish(const WorkRef &work) {
  World &here = world();
  here.clock += LAUNCH_MICROSECONDS;
  work->done = true;
  work->finished = here.clock;
  work->body = nullptr;
  work->after.clear();
  here.pending.erase(work->number);
  for (const WorkRef &next : work->next) {
    if (--next->waits == 0) {
      here.runnable.push_back(next);
    }
  }
  work->next.clear();
}

void run(const WorkRef &work) {
  Context &context = *work->context;
  if (work->body && context.sticky == CUDA_SUCCESS) {
    try {
      work->body();
    } catch (const Fault &fault) {
      context.sticky = fault.result;
      const char *name = nullptr;
      cuGetErrorName(fault.result, &name);
      report(std::string(name) + " in " + work->what + ": " + fault.what);
    } catch (const Failure &failure) {
      context.sticky = failure.result;
    }
  }
  finish(work);
}

// Runs one of the runnable works that `wanted` accepts; a slow one only where there is no other.
template <class Wanted> bool run_one(Wanted wanted) {
  World &here = world();
  std::vector<size_t> chosen, slow;
  for (size_t index = 0; index < here.runnable.size(); index++) {
    if (wanted(*here.runnable[index])) {
      (here.runnable[index]->slow ? slow : chosen).push_back(index);
    }
  }
  const std::vector<size_t> &among = chosen.empty() ? slow : chosen;
  if (among.empty()) {
    return false;
  }
  size_t index = among[here.configuration.lazy ? here.roll(among.size()) : 0];
  WorkRef work = here.runnable[index];
  here.runnable.erase(here.runnable.begin() + static_cast<ptrdiff_t>(index));
  run(work);
  return true;
}

bool any(const Work &) { return true; }

// Marks what must run before the work, and it.
uint64_t mark_ancestors(const WorkRef &work) {
  uint64_t mark = ++marks;
  std::vector<Work *> open{work.get()};
  while (!open.empty()) {
    Work *one = open.back();
    open.pop_back();
    if (one->mark == mark || one->done) {
      continue;
    }
    one->mark = mark;
    for (const WorkRef &before : one->after) {
      open.push_back(before.get());
    }
  }
  return mark;
}

} // namespace

WorkRef enqueue_after(Context &context, const std::string &what, std::function<void()> body,
                      const std::vector<WorkRef> &after) {
  World &here = world();
  auto work = std::make_shared<Work>();
  work->number = here.next_number++;
  work->context = &context;
  work->what = what;
  work->body = std::move(body);
  for (const WorkRef &before : after) {
    bool known = std::find(work->after.begin(), work->after.end(), before) != work->after.end();
    if (before != nullptr && !before->done && !known) {
      work->after.push_back(before);
      before->next.push_back(work);
      work->waits++;
    }
  }
  here.pending.emplace(work->number, work);
  if (work->waits == 0) {
    here.runnable.push_back(work);
  }
  return work;
}

std::vector<WorkRef> predecessors(const Stream &stream) {
  std::vector<WorkRef> after{stream.last};
  Context &context = *stream.context;
  if (&stream == &context.legacy) {
    for (auto &[handle, other] : world().streams.all()) {
      if (other->context == &context && !other->non_blocking) {
        after.push_back(other->last);
      }
    }
  } else if (!stream.non_blocking) {
    after.push_back(context.legacy.last);
  }
  return after;
}

WorkRef enqueue(Stream &stream, const std::string &what, std::function<void()> body,
                const std::vector<WorkRef> &also_after) {
  std::vector<WorkRef> after = predecessors(stream);
  after.insert(after.end(), also_after.begin(), also_after.end());
  stream.last = enqueue_after(*stream.context, what, std::move(body), after);
  return stream.last;
}

void settle() {
  if (!world().configuration.lazy) {
    while (run_one([](const Work &work) { return !work.slow; })) {
    }
  }
}

void run_until(const WorkRef &work) {
  if (work == nullptr || work->done) {
    return;
  }
  // Either the least that must run, or whatever the dice say until it has.
  bool least = world().roll(2) == 0;
  uint64_t mark = mark_ancestors(work);
  while (!work->done) {
    if (!run_one([&](const Work &one) { return !least || one.mark == mark; })) {
      throw std::logic_error("nothing can run, and " + work->what + " is not done");
    }
  }
}

void run_all_of(Context &context) {
  auto open = [&] {
    return std::find_if(world().pending.begin(), world().pending.end(),
                        [&](auto &entry) { return entry.second->context == &context; });
  };
  for (auto work = open(); work != world().pending.end(); work = open()) {
    run_until(WorkRef(work->second));
  }
}

void run_some() {
  for (uint64_t steps = world().roll(POLL_STEPS); steps > 0 && run_one(any); steps--) {
  }
}

} // namespace weir::emulator
