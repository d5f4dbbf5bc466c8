// Streams and events.
#include "driver.h"

namespace weir::emulator {

namespace {

constexpr int LEAST_PRIORITY = 0, GREATEST_PRIORITY = -5;

void wait_in_capture(Stream &stream, const Event &event) {
  if (stream.capture == nullptr) {
    stream.capture = event.capture;
    stream.tail.clear();
  } else if (stream.capture != event.capture) {
    stream.capture->invalid = true;
    misuse(CUDA_ERROR_STREAM_CAPTURE_MERGE, "a captured stream waits for an event of another capture");
  }
  for (size_t node : event.tail) {
    stream.tail.push_back(node);
  }
}

CUresult answer_of(const WorkRef &work) {
  if (work == nullptr || work->done) {
    return CUDA_SUCCESS;
  }
  run_some();
  return work->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

// After waiting for another context's work its error counts, too.
void tell_error_of(Context &context) {
  if (context.sticky != CUDA_SUCCESS) {
    refuse(context.sticky);
  }
}

} // namespace

Stream &stream_of(CUstream handle) {
  Context &context = *current_context();
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    for (auto &[number, stream] : world().streams.all()) {
      if (stream->context == &context && !stream->non_blocking && stream->capture != nullptr) {
        stream->capture->invalid = true;
        misuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream is used while a blocking stream is captured");
      }
    }
    return context.legacy;
  }
  if (handle == CU_STREAM_PER_THREAD) {
    refuse(CUDA_ERROR_NOT_SUPPORTED);
  }
  Stream &stream = world().streams.at(handle);
  if (stream.context != &context) {
    misuse(CUDA_ERROR_INVALID_HANDLE, "a stream of another context than the current one");
  }
  return stream;
}

} // namespace weir::emulator

using namespace weir::emulator;

CUresult CUDAAPI cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return in_context(__func__, [&](Context &) {
    *least = LEAST_PRIORITY;
    *greatest = GREATEST_PRIORITY;
  });
}

CUresult CUDAAPI cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
  return in_context(__func__, [&](Context &context) {
    if ((flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "unknown flags");
    }
    auto made = std::make_shared<Stream>();
    made->handle = world().new_handle();
    made->context = &context;
    made->non_blocking = flags == CU_STREAM_NON_BLOCKING;
    made->priority = std::max(GREATEST_PRIORITY, std::min(LEAST_PRIORITY, priority));
    *stream = reinterpret_cast<CUstream>(world().streams.add(made->handle, made));
  });
}

// What is in the stream still runs: the call does not wait.
CUresult CUDAAPI cuStreamDestroy(CUstream handle) {
  return in_context(__func__, [&](Context &) {
    Stream &stream = world().streams.at(handle);
    if (stream.capture != nullptr) {
      stream.capture->invalid = true;
      report("a stream was destroyed while it was captured");
    }
    if (!stream.non_blocking && stream.last != nullptr) {
      // The default stream still waits for it.
      Stream &legacy = stream.context->legacy;
      legacy.last = enqueue_after(*stream.context, "end of a stream", nullptr, {legacy.last, stream.last});
    }
    world().streams.remove(stream.handle);
  });
}

CUresult CUDAAPI cuStreamSynchronize(CUstream handle) {
  return in_context(__func__, [&](Context &) {
    forbid_in_capture();
    bool legacy = handle == nullptr || handle == CU_STREAM_LEGACY;
    Stream &stream = legacy ? stream_of(handle) : world().streams.at(handle);
    if (legacy) {
      enqueue(stream, "synchronisation", nullptr);
    }
    run_until(stream.last);
    tell_error_of(*stream.context);
  });
}

CUresult CUDAAPI cuStreamQuery(CUstream handle) {
  return in_context(__func__, [&](Context &) {
    forbid_in_capture();
    Stream &stream = handle == nullptr ? stream_of(handle) : world().streams.at(handle);
    CUresult answer = answer_of(stream.last);
    tell_error_of(*stream.context);
    if (answer != CUDA_SUCCESS) {
      refuse(answer);
    }
  });
}

CUresult CUDAAPI cuCtxSynchronize(void) {
  return in_context(__func__, [&](Context &context) {
    forbid_in_capture();
    run_all_of(context);
  });
}

CUresult CUDAAPI cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
  return in_context(__func__, [&](Context &) {
    Stream &stream = stream_of(handle);
    Event &event = world().events.at(event_handle);
    if (event.capture != nullptr) {
      wait_in_capture(stream, event);
    } else if (stream.capture != nullptr) {
      stream.capture->invalid = true;
      misuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a captured stream waits for an event from outside the capture");
    } else if (event.recorded != nullptr) {
      enqueue(stream, "wait for an event", nullptr, {event.recorded});
      settle();
    }
  });
}

CUresult CUDAAPI cuEventCreate(CUevent *event, unsigned flags) {
  return in_context(__func__, [&](Context &context) {
    unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    if ((flags & ~known) != 0) {
      misuse(CUDA_ERROR_INVALID_VALUE, "unknown flags");
    }
    auto made = std::make_shared<Event>();
    made->context = &context;
    made->flags = flags;
    *event = reinterpret_cast<CUevent>(world().events.add(world().new_handle(), made));
  });
}

CUresult CUDAAPI cuEventDestroy(CUevent event) {
  return in_context(__func__, [&](Context &) {
    world().events.at(event);
    world().events.remove(reinterpret_cast<uint64_t>(event));
  });
}

CUresult CUDAAPI cuEventRecord(CUevent handle, CUstream stream_handle) {
  return in_context(__func__, [&](Context &context) {
    Event &event = world().events.at(handle);
    if (event.context != &context) {
      misuse(CUDA_ERROR_INVALID_HANDLE, "an event of another context is recorded");
    }
    Stream &stream = stream_of(stream_handle);
    event.capture = stream.capture;
    event.tail = stream.tail;
    if (stream.capture == nullptr) {
      event.recorded = enqueue(stream, "event record", nullptr);
      settle();
    }
  });
}

CUresult CUDAAPI cuEventQuery(CUevent handle) {
  return in_context(__func__, [&](Context &) {
    Event &event = world().events.at(handle);
    if (event.capture != nullptr) {
      misuse(CUDA_ERROR_CAPTURED_EVENT, "an event recorded into a capture");
    }
    CUresult answer = answer_of(event.recorded);
    tell_error_of(*event.context);
    if (answer != CUDA_SUCCESS) {
      refuse(answer);
    }
  });
}

CUresult CUDAAPI cuEventSynchronize(CUevent handle) {
  return in_context(__func__, [&](Context &) {
    Event &event = world().events.at(handle);
    if (event.capture != nullptr) {
      misuse(CUDA_ERROR_CAPTURED_EVENT, "an event recorded into a capture");
    }
    run_until(event.recorded);
    tell_error_of(*event.context);
  });
}

// Virtual time: a fixed cost per work and per byte copied.
CUresult CUDAAPI cuEventElapsedTime_v2(float *milliseconds, CUevent start_handle, CUevent end_handle) {
  return in_context(__func__, [&](Context &) {
    Event &start = world().events.at(start_handle);
    Event &end = world().events.at(end_handle);
    bool timed = ((start.flags | end.flags) & CU_EVENT_DISABLE_TIMING) == 0;
    if (!timed || start.recorded == nullptr || end.recorded == nullptr) {
      misuse(CUDA_ERROR_INVALID_HANDLE, "cuEventElapsedTime of events without timing, or never recorded");
    }
    if (!start.recorded->done || !end.recorded->done) {
      refuse(CUDA_ERROR_NOT_READY);
    }
    *milliseconds = static_cast<float>((end.recorded->finished - start.recorded->finished) / 1000);
  });
}
