// Streams, executed at once.
#include <cstring>
#include <map>

#include "cuda/emulated/block.h"
#include "cuda/emulated/memory.h"
#include "cuda/emulated/state.h"

struct CUstream_st {};
struct CUevent_st {};

using namespace convlet::emulated;

namespace {
std::map<const void*, std::size_t> opted_in;
std::vector<LaunchRecord> launches;
bool logging = false;

bool fits(const dim3& size, unsigned x, unsigned y, unsigned z) {
  return size.x >= 1 && size.x <= x && size.y >= 1 && size.y <= y && size.z >= 1 && size.z <= z;
}
}  // namespace

namespace convlet::emulated {

void set_log(bool on) { logging = on; }
const std::vector<LaunchRecord>& launch_log() { return launches; }
void reset() {
  State& all = state();
  all.sticky = all.last = cudaSuccess;
  all.finding.clear();
  all.calls_to_fault = 0;
  launches.clear();
}

cudaError_t queue_launch(const char* name, const void* kernel, const dim3& grid, const dim3& block,
                         std::size_t shared_bytes, cudaStream_t, std::unique_ptr<Call> call) {
  const Entry entry;
  if (!entry) return entry.error();
  if (!fits(grid, 0x7fffffff, 65535, 65535) || !fits(block, 1024, 1024, 64) ||
      static_cast<std::uint64_t>(block.x) * block.y * block.z > 1024)
    return entry.result(cudaErrorInvalidConfiguration);
  const auto found = opted_in.find(kernel);
  if (shared_bytes > (found == opted_in.end() ? state().limits.shared_bytes : found->second))
    return entry.result(cudaErrorInvalidValue);
  if (logging) launches.push_back({name, grid, block, shared_bytes});
  run_grid({name, grid, block, shared_bytes, call.get()});
  return cudaSuccess;
}
}  // namespace convlet::emulated

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Entry entry;
  if (!entry) return entry.error();
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<std::size_t>(value) > state().limits.shared_opt_in_bytes)
    return entry.result(cudaErrorInvalidValue);
  opted_in[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  const Entry entry;
  if (!entry) return entry.error();
  *address = allocate(bytes);
  return entry.result(*address ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* address) {
  const Entry entry;
  if (!entry) return entry.error();
  return entry.result(!address || release(address) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMallocAsync(void** address, std::size_t bytes, cudaStream_t) { return cudaMalloc(address, bytes); }
cudaError_t cudaFreeAsync(void* address, cudaStream_t) { return cudaFree(address); }
cudaError_t cudaMallocHost(void** address, std::size_t bytes) {
  const Entry entry;
  *address = std::malloc(bytes);
  return entry.error();
}
cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) { return cudaMallocHost(address, bytes); }
cudaError_t cudaFreeHost(void* address) {
  std::free(address);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Entry entry;
  *total = state().memory_limit;
  *free = *total - std::min(*total, bytes_in_use());
  return entry.error();
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const Entry entry;
  const bool device = on_device(address);
  *attributes = {device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered, device ? 0 : -2,
                 device ? const_cast<void*>(address) : nullptr, nullptr};
  return entry.error();
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  const Entry entry;
  *pool = nullptr;
  return entry.error();
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return Entry().error(); }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return Entry().error(); }
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  const Entry entry;
  if (entry) std::memmove(to, from, bytes);
  return entry.error();
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  return cudaMemcpy(to, from, bytes, kind);
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const Entry entry;
  if (entry) std::memset(to, value, bytes);
  return entry.error();
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  return cudaMemset(to, value, bytes);
}
cudaError_t cudaDeviceSynchronize() { return Entry().error(); }
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  return Entry().error();
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return Entry().error();
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return Entry().error(); }
cudaError_t cudaStreamQuery(cudaStream_t) { return Entry().error(); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return Entry().error(); }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return Entry().error();
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return Entry().error(); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return Entry().error(); }
cudaError_t cudaEventQuery(cudaEvent_t) { return Entry().error(); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return Entry().error();
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return Entry().error();
}
