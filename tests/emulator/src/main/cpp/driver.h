// The emulated CUDA driver: what its files share. One lock guards all of it.
//
// Nothing executes when it is enqueued. Each enqueued operation becomes a Work that knows what it comes after; a host
// call that waits has works run, one at a time, in an order that those edges allow and a seed chooses.
#pragma once

#include "launch.h"

#pragma GCC visibility push(default) // the driver exports what the header declares, and nothing else
#include <cuda.h>
#pragma GCC visibility pop

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace weir::emulator {

// ---- errors ---------------------------------------------------------------------------------------

struct Failure {
  CUresult result;
};

// Ends a call with an error that a correct program can meet.
[[noreturn]] void refuse(CUresult result);

// Ends a call with an error and keeps a report: only a program with a mistake in it gets here.
[[noreturn]] void misuse(CUresult result, const std::string &what);

// Keeps a report of a mistake that no call's result tells.
void report(const std::string &what);

// What ends the works of a context: a kernel or a copy that went wrong on the device.
struct Fault {
  CUresult result;
  std::string what;
};

CUresult result_named(const std::string &name); // CUDA_ERROR_UNKNOWN where there is no such name

// ---- configuration --------------------------------------------------------------------------------

struct Injection {
  std::string where; // a function, "kernel" or "copy" (as it executes), or "lost": every call from then on
  uint64_t from, to; // counted from 1
  CUresult result;
};

struct Configuration {
  int devices = 1;
  uint64_t memory = uint64_t{4} << 30; // bytes of each device
  int major = 9, minor = 0;
  int driver = CUDA_VERSION;
  bool peers = true; // whether devices can reach each other
  bool lazy = true;
  std::string kernels = "checked"; // or "fast", or a path
  weir_thread_order order = WEIR_FORWARD;
  weir_landing landing = WEIR_LAND_LATE;
  uint64_t seed = 1;
  bool slow_copies = false;
  std::vector<Injection> injections;
};

// ---- memory ---------------------------------------------------------------------------------------

// One bit per byte of a region: whether it was ever written.
class Bitmap {
public:
  explicit Bitmap(uint64_t bytes);
  ~Bitmap();
  Bitmap(const Bitmap &) = delete;
  Bitmap &operator=(const Bitmap &) = delete;

  void set(uint64_t first, uint64_t count);
  void copy(uint64_t first, const Bitmap &from, uint64_t from_first, uint64_t count);
  uint8_t *bits() const { return bits_; }

private:
  uint8_t *bits_;
  uint64_t size_;
};

enum class Place { DEVICE, PINNED, REGISTERED, MAPPED };

struct Region {
  uint64_t begin, end;
  Place place;
  int device;
  std::string what;
  std::shared_ptr<Bitmap> written; // none: all of it counts as written
  uint64_t counted;                // bytes taken from the device's capacity
  uint64_t mapping, mapping_bytes; // what to unmap when it goes
  uint64_t context;                // of the allocation
  bool internal = false; // a module's variables: no leak
  std::set<int> reachable; // MAPPED: devices that cuMemSetAccess let in
  std::shared_ptr<struct Physical> physical;
};

// The live region that holds all of [address, address + bytes), or null.
Region *region_of(uint64_t address, uint64_t bytes);

bool on_host(const Region &region);
bool reaches(int device, const Region &region);

// For an error's text: what lies, or once lay, there.
std::string describe(uint64_t address, uint64_t bytes);

Region &allocate(uint64_t bytes, Place place, struct Context &context, const std::string &what);
void release(Region &region);

// Ranges that kernels of a device may touch; NULL where accesses are not checked.
const weir_memory *memory_of(int device);

// ---- work -----------------------------------------------------------------------------------------

struct Module;

struct Work {
  uint64_t number;
  struct Context *context;
  std::string what;
  std::function<void()> body; // none: only an order
  uint64_t source = 0, source_bytes = 0; // host memory that it will read
  const Module *module = nullptr;        // whose kernel it will run
  bool slow = false, done = false;
  double finished = 0; // virtual microseconds
  uint64_t waits = 0;  // of `after`, how many are not done
  uint64_t mark = 0;
  std::vector<std::shared_ptr<Work>> after, next;
};
using WorkRef = std::shared_ptr<Work>;


// A library of kernels compiled for the host.
struct HostLibrary {
  bool checked;
  std::map<std::string, const weir_kernel *> kernels;
  int (*run)(const weir_launch *, char *, uint64_t);
};

// What WEIR_KERNEL and the image agree on.
struct Kernel {
  Module *module;
  std::string name;
  const weir_kernel *host;
  const HostLibrary *library;
  const struct ImageKernel *image;
  std::map<int, int> dynamic_limit; // by device; 48 KiB where there is none
};

struct Function {
  std::shared_ptr<Kernel> kernel;
  struct Context *context;
};

struct KernelOperation {
  std::shared_ptr<Kernel> kernel;
  int device;
  uint32_t grid[3], block[3];
  uint32_t dynamic_shared;
  std::vector<uint8_t> arguments;
};

struct CopyOperation {
  uint64_t target, source, bytes;
  bool target_on_host, source_on_host;
  std::vector<uint8_t> staged; // a pageable source, taken at the call
};

struct FillOperation {
  uint64_t target, count;
  uint32_t value;
  uint32_t width; // bytes
};

using Operation = std::variant<std::monostate, KernelOperation, CopyOperation, FillOperation>;

struct Node {
  uint64_t handle;
  Operation operation;
  std::vector<size_t> after; // indices of nodes in the same graph
};

struct Graph {
  std::vector<Node> nodes;
};

struct GraphExec {
  struct Context *context;
  uint64_t graph; // whose node handles name its nodes
  std::vector<Node> nodes;
  WorkRef last; // launches of one executable graph follow each other
};

struct Capture {
  std::shared_ptr<Graph> graph;
  uint64_t graph_handle;
  uint64_t origin; // handle of the stream that began it
  uint64_t thread;
  CUstreamCaptureMode mode;
  bool invalid = false;
};

struct Stream {
  uint64_t handle;
  struct Context *context;
  bool non_blocking;
  int priority;
  WorkRef last;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> tail; // capture: nodes that the next one comes after
};

struct Event {
  struct Context *context;
  unsigned flags;
  WorkRef recorded;
  std::shared_ptr<Capture> capture; // recorded into a capture
  std::vector<size_t> tail;
};

// What a stream's next work comes after, by the rules of the legacy default stream too.
std::vector<WorkRef> predecessors(const Stream &stream);

// Adds a work behind what the stream holds.
WorkRef enqueue(Stream &stream, const std::string &what, std::function<void()> body,
                const std::vector<WorkRef> &also_after = {});

// The same without a stream: after `after` alone.
WorkRef enqueue_after(struct Context &context, const std::string &what, std::function<void()> body,
                      const std::vector<WorkRef> &after);

// Eager mode: runs what can run.
void settle();

// Runs works until this one is done.
void run_until(const WorkRef &work);
void run_all_of(struct Context &context);
// A poll: lets the device get on a little, as it would in the time between two polls.
void run_some();

// Enqueues an operation, or records it where the stream is being captured.
void submit(Stream &stream, Operation operation);
WorkRef enqueue_operation(struct Context &context, const std::shared_ptr<const Operation> &operation,
                          const std::vector<WorkRef> &after);
void execute_kernel(const KernelOperation &launch);
std::string describe(const Operation &operation);
void record_into_capture(Stream &stream, Operation operation);
void forbid_in_capture(); // the call in progress
// Modules and libraries forget what they hold in a context that goes.
void forget_context(struct Context &context);

// ---- the world ------------------------------------------------------------------------------------

struct Context {
  uint64_t handle;
  int device;
  uint64_t references = 1;
  CUresult sticky = CUDA_SUCCESS;
  std::set<int> peers;
  Stream legacy;
};

// Handles are numbers that are never used twice, so that a stale one is told from a live one.
template <class T> class Table {
public:
  explicit Table(const char *what) : what_(what) {}

  uint64_t add(uint64_t handle, std::shared_ptr<T> entry) {
    entries_.emplace(handle, std::move(entry));
    return handle;
  }
  T &at(const void *handle) { return at(reinterpret_cast<uint64_t>(handle)); }
  T &at(uint64_t handle) {
    T *entry = find(handle);
    if (entry == nullptr) {
      misuse(CUDA_ERROR_INVALID_HANDLE, std::string("not a live ") + what_);
    }
    return *entry;
  }
  std::shared_ptr<T> share(const void *handle) {
    at(handle);
    return entries_.at(reinterpret_cast<uint64_t>(handle));
  }
  T *find(uint64_t handle) {
    auto entry = entries_.find(handle);
    return entry == entries_.end() ? nullptr : entry->second.get();
  }
  void remove(uint64_t handle) { entries_.erase(handle); }
  std::unordered_map<uint64_t, std::shared_ptr<T>> &all() { return entries_; }
  void clear() { entries_.clear(); }

private:
  const char *what_;
  std::unordered_map<uint64_t, std::shared_ptr<T>> entries_;
};

struct Image;
struct Physical;

struct World {
  World();

  std::recursive_mutex lock;
  Configuration configuration;
  std::mt19937_64 dice;
  bool initialised = false;
  CUresult lost = CUDA_SUCCESS;
  const char *function = ""; // of the call in progress
  std::map<std::string, uint64_t> calls; // by function, and "kernel", "copy", "call"
  std::vector<std::string> reports;
  uint64_t next_handle = uint64_t{0x5eed} << 32;
  uint64_t next_number = 1; // of allocations and works
  double clock = 0;         // virtual microseconds

  Table<Context> contexts{"context"};
  std::map<int, uint64_t> primary; // by device
  Table<Stream> streams{"stream"};
  Table<Event> events{"event"};
  Table<Module> modules{"module"};
  Table<Kernel> kernels{"kernel"};
  Table<Function> functions{"function"};
  Table<Graph> graphs{"graph"};
  Table<GraphExec> execs{"executable graph"};
  Table<Physical> physicals{"physical allocation"};
  std::map<uint64_t, std::pair<uint64_t, size_t>> node_graphs; // node → graph, index

  std::map<uint64_t, Region> regions;         // by first address
  std::map<uint64_t, uint64_t> reserved;      // cuMemAddressReserve: begin → bytes
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::string>> freed; // the last few
  std::map<int, uint64_t> used;               // device → bytes
  uint64_t memory_version = 1;

  std::vector<WorkRef> runnable;
  std::map<uint64_t, WorkRef> pending; // by number

  uint64_t new_handle() { return next_handle += 16; }
  uint64_t roll(uint64_t sides) { return dice() % sides; }
};

World &world();
void reset_world();

// ---- calls ----------------------------------------------------------------------------------------

enum class Needs { NOTHING, INITIALISED, CONTEXT };

// Counts the call, injects what is configured; the error that the call must return at once, if any.
CUresult admit(const char *function, Needs needs);
// The version of the driver that first had a function.
int since(const std::string &function);

Context *current_context();
void set_current_context(uint64_t handle);

// Whether the n-th of these fails; throws its Fault.
void inject_into(const char *what);

// The stream that a handle means to the current context.
Stream &stream_of(CUstream handle);

template <class Body> CUresult call(const char *function, Needs needs, Body body) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  CUresult refused = admit(function, needs);
  if (refused != CUDA_SUCCESS) {
    return refused;
  }
  try {
    body();
    Context *context = needs == Needs::CONTEXT ? current_context() : nullptr;
    return context != nullptr ? context->sticky : CUDA_SUCCESS;
  } catch (const Failure &failure) {
    return failure.result;
  } catch (const std::bad_alloc &) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception &unforeseen) { // it must not reach the caller, who is no C++
    report(std::string(function) + ": " + unforeseen.what());
    return CUDA_ERROR_UNKNOWN;
  }
}

template <class Body> CUresult in_context(const char *function, Body body) {
  return call(function, Needs::CONTEXT, [&] { body(*current_context()); });
}

template <class T> void require(const T *pointer, const char *what) {
  if (pointer == nullptr) {
    misuse(CUDA_ERROR_INVALID_VALUE, std::string(what) + " is NULL");
  }
}

int device_of(CUdevice device); // checked
int attribute_of(int device, CUdevice_attribute attribute);

} // namespace weir::emulator
