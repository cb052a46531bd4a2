// A CUDA graph as a scope around ordinary code: what `record` queues is kept instead of done, and `launch` does it all
// in one call, without the host's share of a launch for every kernel.
#pragma once

#include <utility>

#include "cuda/runtime.h"

namespace convlet::cuda {

// A stream of one's own.
class OwnStream {
 public:
  OwnStream() { check("creation of a stream", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  ~OwnStream() { cudaStreamDestroy(stream_); }
  Stream get() const { return stream_; }

 private:
  Stream stream_ = nullptr;
};

class Graph {
 public:
  // Records what queue(stream) queues, on that stream and on the branches that it forks and joins. Nobody else may
  // queue on the stream meanwhile: it would be recorded too.
  template <class Queue>
  Graph(Stream stream, Queue&& queue) {
    check("begin of a graph", cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cudaGraph_t graph = nullptr;
    try {
      queue(stream);
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      throw;
    }
    check("end of a graph", cudaStreamEndCapture(stream, &graph));
    const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check("instantiation of a graph", error);
  }
  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  ~Graph() {
    if (executable_) cudaGraphExecDestroy(executable_);
  }

  void launch(Stream stream) const { check("launch of a graph", cudaGraphLaunch(executable_, stream)); }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

class Event {
 public:
  Event() { check("creation of an event", cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }

  void record(Stream stream) { check("record of an event", cudaEventRecord(event_, stream)); }
  void hold(Stream stream) const { check("wait for an event", cudaStreamWaitEvent(stream, event_, 0)); }
  void wait() const { check("wait for an event", cudaEventSynchronize(event_)); }
  bool done() const {
    const cudaError_t error = cudaEventQuery(event_);
    if (error != cudaErrorNotReady) check("query of an event", error);
    return error == cudaSuccess;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// A second stream beside a main one: work between fork and join may run at the same time as the main stream's.
class Branch {
 public:
  Stream fork(Stream main) {
    forked_.record(main);
    forked_.hold(stream_.get());
    return stream_.get();
  }
  void join(Stream main) {
    joined_.record(stream_.get());
    joined_.hold(main);
  }

 private:
  OwnStream stream_;
  Event forked_, joined_;
};

}  // namespace convlet::cuda
