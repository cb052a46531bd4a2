// Graphs: captured from streams, and queued node by node.
#include "cuda/emulated/state.h"
#include "cuda/emulated/streams.h"

using namespace convlet::emulated;

struct CUgraphExec_st {
  CUgraph_st graph;
  Queued last;  // a graph waits for its own last run
};

namespace {

// Whether every node comes before what the stream waits for.
bool all_joined(const Capture& capture, const std::vector<std::size_t>& ends) {
  const auto& nodes = capture.graph.nodes;
  std::vector<bool> reached(nodes.size());
  std::vector<std::size_t> pending = ends;
  std::size_t count = 0;
  while (!pending.empty()) {
    const std::size_t node = pending.back();
    pending.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    ++count;
    pending.insert(pending.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  return count == nodes.size();
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream == &legacy_stream()) return entry.result(cudaErrorStreamCaptureUnsupported);
  if (stream->place.capture) return entry.result(cudaErrorIllegalState);
  auto capture = std::make_shared<Capture>();
  capture->origin = handle;
  capture->mode = mode;
  capture->host_thread = this_host_thread();
  stream->place = {capture, {}};
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Entry entry;
  if (!entry) return entry.error();
  *graph = nullptr;
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  const auto capture = stream->place.capture;
  if (!capture) return entry.result(cudaErrorIllegalState);
  if (capture->origin != handle) return entry.result(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->host_thread != this_host_thread())
    return entry.result(cudaErrorStreamCaptureWrongThread);
  const bool joined = all_joined(*capture, stream->place.nodes);
  capture->ended = true;
  for (CUstream_st* other : all_streams())
    if (other->place.capture == capture) other->place = {};
  if (capture->broken) return entry.result(cudaErrorStreamCaptureInvalidated);
  if (!joined) return entry.result(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st(std::move(capture->graph));
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Entry entry;
  if (!entry) return entry.error();
  const CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  const auto& capture = stream->place.capture;
  *status = !capture          ? cudaStreamCaptureStatusNone
            : capture->broken ? cudaStreamCaptureStatusInvalidated
                              : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!graph) return entry.result(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{*graph, nullptr};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream || !executable) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream->place.capture) return entry.result(cudaErrorNotSupported);
  std::vector<Queued> before = before_next(*stream), queued;
  before.push_back(executable->last);
  const Queued start = enqueue(nullptr, before);
  for (const CUgraphNode_st& node : executable->graph.nodes) {
    std::vector<Queued> after{start};
    for (const std::size_t other : node.after) after.push_back(queued[other]);
    queued.push_back(enqueue(node.work, after));
  }
  queued.push_back(start);
  stream->tail = executable->last = enqueue(nullptr, queued);
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!graph) return entry.result(cudaErrorInvalidValue);
  if (!nodes) *count = graph->nodes.size();
  for (std::size_t i = 0; nodes && i < *count; ++i) nodes[i] = i < graph->nodes.size() ? &graph->nodes[i] : nullptr;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Entry entry;
  delete graph;
  return entry.error();
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Entry entry;
  delete executable;  // what of it is queued goes on
  return entry.error();
}
