// Calls that allocate, copy and fill memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "cuda/emulated/memory.h"
#include "cuda/emulated/state.h"
#include "cuda/emulated/streams.h"

using namespace convlet::emulated;

namespace {

std::map<const char*, std::size_t>& pinned() {
  static auto* all = new std::map<const char*, std::size_t>;
  return *all;
}

bool is_pinned(const void* address) {
  const auto* byte = static_cast<const char*>(address);
  const auto after = pinned().upper_bound(byte);
  return after != pinned().begin() && byte < std::prev(after)->first + std::prev(after)->second;
}

// Whether a copy may go this way; memory of the host that was admitted to the device counts as either.
bool goes(cudaMemcpyKind said, const void* to, const void* from) {
  const auto fits = [](const void* address, bool device) {
    return on_device(address) == device || (device && is_admitted(address, 1));
  };
  return fits(to, said == cudaMemcpyHostToDevice || said == cudaMemcpyDeviceToDevice) &&
         fits(from, said == cudaMemcpyDeviceToHost || said == cudaMemcpyDeviceToDevice);
}

// The direction that the addresses have; Default if it is not the one that was said.
cudaMemcpyKind direction(const void* to, const void* from, cudaMemcpyKind said) {
  if (said != cudaMemcpyDefault && goes(said, to, from)) return said;
  const cudaMemcpyKind found = on_device(to)     ? on_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice
                               : on_device(from) ? cudaMemcpyDeviceToHost
                                                 : cudaMemcpyHostToHost;
  return said == cudaMemcpyDefault || said == found ? found : cudaMemcpyDefault;
}

cudaError_t fill(CUstream_st& stream, void* to, int value, std::size_t bytes) {
  if (!on_device(to)) return cudaErrorInvalidValue;
  return submit(stream, [=] { execute_set(to, value, bytes); });
}

void* reserve_or_wait(std::size_t bytes) {
  void* address = reserve(bytes);
  if (address || bytes > state().memory_limit) return address;
  run_all();  // frees that are queued
  return reserve(bytes);
}

}  // namespace

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  const Entry entry;
  if (!entry) return entry.error();
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  *address = bytes == 0 ? nullptr : reserve_or_wait(bytes);
  if (bytes > 0 && !*address) return entry.result(cudaErrorMemoryAllocation);
  if (*address) open_allocation(*address);
  return cudaSuccess;
}

cudaError_t cudaFree(void* address) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!address) return cudaSuccess;
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  if (const cudaError_t error = finish_everything()) return entry.result(error);
  return entry.result(close_allocation(address) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** address, std::size_t bytes, cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream->place.capture)
    return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureUnsupported));
  if (bytes == 0) return entry.result(cudaErrorInvalidValue);
  void* reserved = *address = reserve_or_wait(bytes);
  if (!reserved) return entry.result(cudaErrorMemoryAllocation);
  return entry.result(submit(*stream, [reserved] { open_allocation(reserved); }));
}

cudaError_t cudaFreeAsync(void* address, cudaStream_t handle) {
  const Entry entry;
  CUstream_st* stream = stream_of(handle);
  if (!entry) {
    close_allocation(address);  // a lost device leaks nothing here
    return entry.error();
  }
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (stream->place.capture)
    return entry.result(break_capture(*stream->place.capture, cudaErrorStreamCaptureUnsupported));
  if (!is_allocation(address)) return entry.result(cudaErrorInvalidValue);
  return entry.result(submit(*stream, [address] {
    if (!close_allocation(address)) note(cudaErrorIllegalAddress, "an allocation is freed twice");
  }));
}

cudaError_t cudaMallocHost(void** address, std::size_t bytes) { return cudaHostAlloc(address, bytes, 0); }

cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  const Entry entry;
  if (!entry) return entry.error();
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  *address = std::malloc(std::max<std::size_t>(bytes, 1));
  if (!*address) return entry.result(cudaErrorMemoryAllocation);
  pinned()[static_cast<char*>(*address)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* address) {
  const Entry entry;
  if (!address) return entry.error();
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  run_all();
  if (pinned().erase(static_cast<char*>(address)) == 0) return entry.result(cudaErrorInvalidValue);
  std::free(address);
  return entry.error();
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Entry entry;
  if (!entry) return entry.error();
  *total = state().memory_limit;
  *free = *total - std::min(*total, bytes_in_use());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const Entry entry;
  if (!entry) return entry.error();
  void* const same = const_cast<void*>(address);
  if (on_device(address)) {
    *attributes = {cudaMemoryTypeDevice, 0, same, nullptr};
  } else if (is_pinned(address)) {
    *attributes = {cudaMemoryTypeHost, 0, same, same};
  } else {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, same};
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  const Entry entry;
  *pool = nullptr;
  return entry.error();
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void*) {
  const Entry entry;
  if (!entry) return entry.error();
  return entry.result(attribute == cudaMemPoolAttrReleaseThreshold ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  const Entry entry;
  if (!entry) return entry.error();
  const std::uint64_t used = bytes_in_use();
  std::memcpy(value, &used, sizeof used);
  return cudaSuccess;
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return Entry().error(); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  const cudaMemcpyKind found = direction(to, from, kind);
  if (found == cudaMemcpyDefault) return entry.result(cudaErrorInvalidValue);
  const bool captured = stream->place.capture != nullptr;
  if (found == cudaMemcpyHostToDevice && !is_pinned(from) && !captured) {  // is read before the call returns
    const auto* bytes_of = static_cast<const char*>(from);
    const auto staged = std::make_shared<std::vector<char>>(bytes_of, bytes_of + bytes);
    return entry.result(submit(*stream, [=] { execute_copy(to, staged->data(), bytes); }));
  }
  if (const cudaError_t error = submit(*stream, [=] { execute_copy(to, from, bytes); })) return entry.result(error);
  if (found == cudaMemcpyDeviceToHost && !is_pinned(to) && !captured) run_until_done(stream->tail);
  return entry.result(state().sticky);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Entry entry;
  if (!entry) return entry.error();
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr)) return error;
  run_until_done(legacy_stream().tail);
  return entry.result(state().sticky);
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const Entry entry;
  if (!entry) return entry.error();
  if (const cudaError_t error = forbidden_by_capture()) return entry.result(error);
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = fill(legacy_stream(), to, value, bytes)) return entry.result(error);
  run_until_done(legacy_stream().tail);
  return entry.result(state().sticky);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  return entry.result(bytes == 0 ? cudaSuccess : fill(*stream, to, value, bytes));
}
