#include "cuda/emulated/streams.h"

#include <set>

#include "cuda/emulated/state.h"

using namespace convlet::emulated;

namespace convlet::emulated {
namespace {

std::set<cudaStream_t>& created() {
  static auto* all = new std::set<cudaStream_t>;
  return *all;
}

bool done(const Queued& operation) { return !operation || operation->done; }

}  // namespace

CUstream_st& legacy_stream() {
  static auto* stream = new CUstream_st;
  return *stream;
}

CUstream_st* stream_of(cudaStream_t handle) {
  if (!handle || handle == cudaStreamLegacy || handle == cudaStreamPerThread) return &legacy_stream();
  return created().count(handle) ? handle : nullptr;
}

std::vector<CUstream_st*> all_streams() {
  std::vector<CUstream_st*> all(created().begin(), created().end());
  all.push_back(&legacy_stream());
  return all;
}

const void* this_host_thread() {
  thread_local const char here = 0;
  return &here;
}

std::vector<Queued> before_next(const CUstream_st& stream) {
  std::vector<Queued> before{stream.tail};
  if (&stream == &legacy_stream()) {
    for (const CUstream_st* other : created())
      if (other->blocking) before.push_back(other->tail);
  } else if (stream.blocking) {
    before.push_back(legacy_stream().tail);
  }
  return before;
}

cudaError_t break_capture(Capture& capture, cudaError_t error) {
  capture.broken = true;
  return error;
}

cudaError_t forbidden_by_capture() {
  for (const CUstream_st* stream : all_streams()) {
    const auto& capture = stream->place.capture;
    if (!capture || capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeGlobal || capture->host_thread == this_host_thread())
      return break_capture(*capture, cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

cudaError_t submit(CUstream_st& stream, Work work) {
  Place& place = stream.place;
  if (place.capture) {
    if (place.capture->broken) return cudaErrorStreamCaptureInvalidated;
    auto& nodes = place.capture->graph.nodes;
    nodes.push_back({std::move(work), place.nodes});
    place.nodes = {nodes.size() - 1};
    return cudaSuccess;
  }
  if (&stream == &legacy_stream()) {
    for (const CUstream_st* other : created())
      if (other->blocking && other->place.capture)
        return break_capture(*other->place.capture, cudaErrorStreamCaptureImplicit);
  }
  stream.tail = enqueue(std::move(work), before_next(stream));
  return cudaSuccess;
}

cudaError_t finish_everything() {
  run_all();
  return state().sticky;
}

}  // namespace convlet::emulated

cudaError_t cudaDeviceSynchronize() {
  const Entry entry;
  if (!entry) return entry.error();
  for (const CUstream_st* stream : all_streams())
    if (stream->place.capture)
      return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureUnsupported));
  return entry.result(finish_everything());
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Entry entry;
  if (!entry) return entry.error();
  if (flags > cudaStreamNonBlocking) return entry.result(cudaErrorInvalidValue);
  *stream = new CUstream_st;
  (*stream)->blocking = flags == cudaStreamDefault;
  created().insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Entry entry;
  if (created().erase(stream) == 0) return entry.result(cudaErrorInvalidResourceHandle);
  delete stream;  // its work goes on
  return entry.error();
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  const CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream->place.capture)
    return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureUnsupported));
  for (const Queued& operation : before_next(*stream)) run_until_done(operation);
  return entry.result(state().sticky);
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  const CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream->place.capture)
    return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureUnsupported));
  run_one();
  if (state().sticky != cudaSuccess) return entry.result(state().sticky);
  return done(stream->tail) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream || !event) return entry.result(cudaErrorInvalidResourceHandle);
  const auto& captured = event->place.capture;
  if (!captured && !stream->place.capture) {
    std::vector<Queued> before = before_next(*stream);
    before.push_back(event->recorded);
    stream->tail = enqueue(nullptr, before);
    return cudaSuccess;
  }
  if (!captured) {
    if (!event->recorded) return cudaSuccess;  // never recorded: nothing to wait for
    return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureIsolation));
  }
  if (captured->ended) return entry.result(cudaErrorCapturedEvent);
  if (stream->place.capture && stream->place.capture != captured)
    return entry.result(break_capture(*captured, cudaErrorStreamCaptureMerge));
  stream->place.capture = captured;
  stream->place.nodes.insert(stream->place.nodes.end(), event->place.nodes.begin(), event->place.nodes.end());
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, void (*function)(void*), void* data) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  return entry.result(submit(*stream, [=] { function(data); }));
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Entry entry;
  if (!entry) return entry.error();
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream || !event) return entry.result(cudaErrorInvalidResourceHandle);
  event->place = stream->place;
  if (!stream->place.capture) event->recorded = stream->tail = enqueue(nullptr, before_next(*stream));
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!event) return entry.result(cudaErrorInvalidResourceHandle);
  if (event->place.capture) return entry.result(cudaErrorCapturedEvent);
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  run_until_done(event->recorded);
  return entry.result(state().sticky);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!event) return entry.result(cudaErrorInvalidResourceHandle);
  if (event->place.capture) return entry.result(cudaErrorCapturedEvent);
  run_one();
  if (state().sticky != cudaSuccess) return entry.result(state().sticky);
  return done(event->recorded) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float*, cudaEvent_t, cudaEvent_t) {
  return Entry().result(cudaErrorNotSupported);  // an emulated device has no time
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Entry entry;
  delete event;
  return entry.error();
}
