// Streams, events and graphs that are being captured.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cuda/emulated/api.h"
#include "cuda/emulated/queue.h"

struct CUgraphNode_st {
  convlet::emulated::Work work;
  std::vector<std::size_t> after;  // nodes of the same graph
};

struct CUgraph_st {
  std::vector<CUgraphNode_st> nodes;
};

namespace convlet::emulated {

struct Capture {
  CUgraph_st graph;
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  const void* host_thread = nullptr;
  bool broken = false, ended = false;
};

// What of a graph comes before the next operation: of a stream that is captured, or of an event recorded there.
struct Place {
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> nodes;
};

}  // namespace convlet::emulated

struct CUstream_st {
  bool blocking = true;  // ordered with the legacy stream
  convlet::emulated::Queued tail;
  convlet::emulated::Place place;
};

struct CUevent_st {
  convlet::emulated::Queued recorded;
  convlet::emulated::Place place;
};

namespace convlet::emulated {

// The stream behind a handle; null if there is none.
CUstream_st* stream_of(cudaStream_t handle);
// Queues work on a stream, or adds it to the graph that the stream is captured into.
cudaError_t submit(CUstream_st& stream, Work work);
// What a next operation on a stream comes after.
std::vector<Queued> before_next(const CUstream_st& stream);
// Ends the capture in a way that its end reports, and returns `error`.
cudaError_t break_capture(Capture& capture, cudaError_t error);
// An error if a capture forbids calls that wait or allocate.
cudaError_t forbidden_by_capture();
const void* this_host_thread();
std::vector<CUstream_st*> all_streams();
CUstream_st& legacy_stream();
// All that waits, on all streams, and what came of it.
cudaError_t finish_everything();

}  // namespace convlet::emulated
