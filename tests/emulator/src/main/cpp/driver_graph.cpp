// Stream capture and graphs. A graph keeps its edges; a launch gives every node its own work, so that nodes run in any
// order that the edges allow.
#include "driver_launch.h"

#include <algorithm>
#include <atomic>

namespace weir::emulator {

namespace {

uint64_t this_thread() {
  static std::atomic<uint64_t> threads{0};
  thread_local uint64_t number = ++threads;
  return number;
}

size_t add_node(Graph &graph, uint64_t graph_handle, Operation operation, std::vector<size_t> after) {
  std::sort(after.begin(), after.end());
  after.erase(std::unique(after.begin(), after.end()), after.end());
  uint64_t handle = world().new_handle();
  world().node_graphs[handle] = {graph_handle, graph.nodes.size()};
  graph.nodes.push_back({handle, std::move(operation), std::move(after)});
  return graph.nodes.size() - 1;
}

Node &node_at(const void *handle) {
  auto found = world().node_graphs.find(reinterpret_cast<uint64_t>(handle));
  if (found == world().node_graphs.end()) {
    misuse(CUDA_ERROR_INVALID_HANDLE, "not a live graph node");
  }
  return world().graphs.at(found->second.first).nodes[found->second.second];
}

KernelOperation launch_of(const CUDA_KERNEL_NODE_PARAMS &parameters) {
  CUfunction function = parameters.func != nullptr ? parameters.func : reinterpret_cast<CUfunction>(parameters.kern);
  LaunchShape shape{{parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ},
                    {parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ},
                    parameters.sharedMemBytes};
  return checked_launch(shape, function, parameters.kernelParams, parameters.extra);
}

bool ends_in(const Graph &graph, size_t node, const std::vector<size_t> &tail) {
  std::vector<size_t> open = tail;
  std::set<size_t> seen;
  while (!open.empty()) {
    size_t one = open.back();
    open.pop_back();
    if (one == node) {
      return true;
    }
    if (seen.insert(one).second) {
      open.insert(open.end(), graph.nodes[one].after.begin(), graph.nodes[one].after.end());
    }
  }
  return false;
}

// Every stream that the capture reached leaves it; whether all of them had been joined into the origin.
bool leave(const Capture &capture, const std::vector<size_t> &tail) {
  bool joined = true;
  for (auto &[handle, stream] : world().streams.all()) {
    if (stream->capture.get() == &capture) {
      for (size_t node : stream->tail) {
        joined = joined && ends_in(*capture.graph, node, tail);
      }
      stream->capture = nullptr;
      stream->tail.clear();
    }
  }
  for (auto &[handle, event] : world().events.all()) {
    if (event->capture.get() == &capture) {
      event->capture = nullptr;
      event->tail.clear();
    }
  }
  return joined;
}

std::shared_ptr<Graph> graph_at(CUgraph handle) {
  world().graphs.at(handle);
  return world().graphs.share(handle);
}

void forget_nodes(const Graph &graph) {
  for (const Node &node : graph.nodes) {
    world().node_graphs.erase(node.handle);
  }
}

// Why a graph cannot take the place of the one that the executable was made from.
CUgraphExecUpdateResult difference(const GraphExec &exec, const Graph &graph, size_t &where) {
  if (exec.nodes.size() != graph.nodes.size()) {
    where = graph.nodes.size();
    return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  }
  for (where = 0; where < graph.nodes.size(); where++) {
    const Node &before = exec.nodes[where], &now = graph.nodes[where];
    if (before.operation.index() != now.operation.index()) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
    if (before.after != now.after) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    }
  }
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

} // namespace

void record_into_capture(Stream &stream, Operation operation) {
  Capture &capture = *stream.capture;
  if (capture.invalid) {
    refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
  stream.tail = {add_node(*capture.graph, capture.graph_handle, std::move(operation), stream.tail)};
}

void forbid_in_capture() {
  bool forbidden = false;
  for (auto &[handle, stream] : world().streams.all()) {
    if (stream->capture != nullptr && stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
        (stream->capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL || stream->capture->thread == this_thread())) {
      stream->capture->invalid = true;
      forbidden = true;
    }
  }
  if (forbidden) {
    misuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not allowed while a stream is captured");
  }
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
  return in_context(__func__, [&](Context &context) {
    Stream &stream = stream_of(handle);
    if (&stream == &context.legacy) {
      misuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
    }
    if (stream.capture != nullptr) {
      misuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is being captured already");
    }
    stream.capture = std::make_shared<Capture>();
    stream.capture->graph = std::make_shared<Graph>();
    stream.capture->graph_handle = world().new_handle();
    stream.capture->origin = stream.handle;
    stream.capture->thread = this_thread();
    stream.capture->mode = mode;
    stream.tail.clear();
  });
}

CUresult CUDAAPI cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  return in_context(__func__, [&](Context &) {
    *graph = nullptr;
    Stream &stream = stream_of(handle);
    if (stream.capture == nullptr) {
      misuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is not being captured");
    }
    if (stream.capture->origin != stream.handle) {
      misuse(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture was begun on another stream");
    }
    if (stream.capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && stream.capture->thread != this_thread()) {
      misuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture was begun by another thread");
    }
    std::shared_ptr<Capture> capture = stream.capture;
    bool joined = leave(*capture, stream.tail);
    if (capture->invalid || !joined) {
      forget_nodes(*capture->graph);
    }
    if (capture->invalid) {
      refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    if (!joined) {
      misuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "a stream forked from the capture was not joined into its origin");
    }
    world().graphs.add(capture->graph_handle, capture->graph);
    *graph = reinterpret_cast<CUgraph>(capture->graph_handle);
  });
}

CUresult CUDAAPI cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  return in_context(__func__, [&](Context &) {
    Stream &stream = stream_of(handle);
    *status = stream.capture == nullptr   ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream.capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                        : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  });
}

CUresult CUDAAPI cuGraphCreate(CUgraph *graph, unsigned flags) {
  return call(__func__, Needs::INITIALISED, [&] {
    if (flags != 0) {
      refuse(CUDA_ERROR_INVALID_VALUE);
    }
    *graph = reinterpret_cast<CUgraph>(world().graphs.add(world().new_handle(), std::make_shared<Graph>()));
  });
}

CUresult CUDAAPI cuGraphDestroy(CUgraph handle) {
  return call(__func__, Needs::INITIALISED, [&] {
    forget_nodes(*graph_at(handle));
    world().graphs.remove(reinterpret_cast<uint64_t>(handle));
  });
}

CUresult CUDAAPI cuGraphGetNodes(CUgraph handle, CUgraphNode *nodes, size_t *count) {
  return call(__func__, Needs::INITIALISED, [&] {
    const Graph &graph = *graph_at(handle);
    require(count, "the number of nodes");
    if (nodes == nullptr) {
      *count = graph.nodes.size();
      return;
    }
    for (size_t index = 0; index < *count; index++) {
      nodes[index] = index < graph.nodes.size() ? reinterpret_cast<CUgraphNode>(graph.nodes[index].handle) : nullptr;
    }
    *count = std::min(*count, graph.nodes.size());
  });
}

CUresult CUDAAPI cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) {
  return call(__func__, Needs::INITIALISED, [&] {
    const CUgraphNodeType types[] = {CU_GRAPH_NODE_TYPE_EMPTY, CU_GRAPH_NODE_TYPE_KERNEL, CU_GRAPH_NODE_TYPE_MEMCPY,
                                     CU_GRAPH_NODE_TYPE_MEMSET};
    *type = types[node_at(node).operation.index()];
  });
}

CUresult CUDAAPI cuGraphAddKernelNode(CUgraphNode *node, CUgraph handle, const CUgraphNode *dependencies, size_t count,
                                      const CUDA_KERNEL_NODE_PARAMS *parameters) {
  return in_context(__func__, [&](Context &) {
    require(parameters, "the node's parameters");
    Graph &graph = *graph_at(handle);
    std::vector<size_t> after;
    for (size_t index = 0; index < count; index++) {
      node_at(dependencies[index]);
      auto [of, position] = world().node_graphs.at(reinterpret_cast<uint64_t>(dependencies[index]));
      if (of != reinterpret_cast<uint64_t>(handle)) {
        misuse(CUDA_ERROR_INVALID_VALUE, "a dependency on a node of another graph");
      }
      after.push_back(position);
    }
    size_t added = add_node(graph, reinterpret_cast<uint64_t>(handle), launch_of(*parameters), after);
    *node = reinterpret_cast<CUgraphNode>(graph.nodes[added].handle);
  });
}

CUresult CUDAAPI cuGraphKernelNodeGetParams(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS *parameters) {
  return in_context(__func__, [&](Context &) {
    Node &node = node_at(handle);
    auto *launch = std::get_if<KernelOperation>(&node.operation);
    if (launch == nullptr) {
      misuse(CUDA_ERROR_INVALID_VALUE, "not a kernel node");
    }
    // As with the driver, what is given points into the node.
    thread_local void *pointers[1];
    pointers[0] = launch->arguments.data();
    uint64_t kernel = launch->kernel->module->kernels.at(launch->kernel->name);
    *parameters = {reinterpret_cast<CUfunction>(kernel),
                   launch->grid[0],
                   launch->grid[1],
                   launch->grid[2],
                   launch->block[0],
                   launch->block[1],
                   launch->block[2],
                   launch->dynamic_shared,
                   pointers,
                   nullptr,
                   reinterpret_cast<CUkernel>(kernel),
                   nullptr};
  });
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph handle, unsigned long long flags) {
  return in_context(__func__, [&](Context &context) {
    unsigned long long hints = CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
    if ((flags & ~hints) != 0) {
      refuse(CUDA_ERROR_NOT_SUPPORTED);
    }
    auto made = std::make_shared<GraphExec>();
    made->context = &context;
    made->graph = reinterpret_cast<uint64_t>(handle);
    made->nodes = graph_at(handle)->nodes;
    *exec = reinterpret_cast<CUgraphExec>(world().execs.add(world().new_handle(), made));
  });
}

CUresult CUDAAPI cuGraphExecUpdate(CUgraphExec handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo *info) {
  return in_context(__func__, [&](Context &) {
    GraphExec &exec = world().execs.at(handle);
    const Graph &graph = *graph_at(graph_handle);
    size_t where = 0;
    *info = {difference(exec, graph, where), nullptr, nullptr};
    if (info->result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
      info->errorNode = where < graph.nodes.size() ? reinterpret_cast<CUgraphNode>(graph.nodes[where].handle) : nullptr;
      refuse(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    }
    // The executable's nodes keep the names that its first graph gave them.
    for (size_t index = 0; index < exec.nodes.size(); index++) {
      exec.nodes[index].operation = graph.nodes[index].operation;
    }
  });
}

CUresult CUDAAPI cuGraphExecKernelNodeSetParams(CUgraphExec handle, CUgraphNode node,
                                                const CUDA_KERNEL_NODE_PARAMS *parameters) {
  return in_context(__func__, [&](Context &) {
    require(parameters, "the node's parameters");
    GraphExec &exec = world().execs.at(handle);
    auto found = std::find_if(exec.nodes.begin(), exec.nodes.end(),
                              [&](const Node &one) { return one.handle == reinterpret_cast<uint64_t>(node); });
    if (found == exec.nodes.end() || !std::holds_alternative<KernelOperation>(found->operation)) {
      misuse(CUDA_ERROR_INVALID_VALUE, "no kernel node of the graph that this executable was made from");
    }
    found->operation = launch_of(*parameters);
  });
}

// Only moves work forward in time.
CUresult CUDAAPI cuGraphUpload(CUgraphExec handle, CUstream stream) {
  return in_context(__func__, [&](Context &) {
    world().execs.at(handle);
    enqueue(stream_of(stream), "graph upload", nullptr);
    settle();
  });
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
  return in_context(__func__, [&](Context &context) {
    GraphExec &exec = world().execs.at(handle);
    Stream &stream = stream_of(stream_handle);
    if (stream.capture != nullptr) {
      refuse(CUDA_ERROR_NOT_SUPPORTED);
    }
    std::vector<WorkRef> before = predecessors(stream);
    before.push_back(exec.last);
    WorkRef begin = enqueue_after(context, "graph launch", nullptr, before);
    std::vector<WorkRef> works;
    for (const Node &node : exec.nodes) {
      std::vector<WorkRef> after{begin};
      for (size_t index : node.after) {
        after.push_back(works[index]);
      }
      // Parameters as they are now: they may be set anew while this launch is pending.
      works.push_back(enqueue_operation(context, std::make_shared<const Operation>(node.operation), after));
    }
    works.push_back(begin);
    stream.last = enqueue_after(context, "graph end", nullptr, works);
    exec.last = stream.last;
    settle();
  });
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec handle) {
  return in_context(__func__, [&](Context &) {
    world().execs.at(handle);
    world().execs.remove(reinterpret_cast<uint64_t>(handle));
  });
}
