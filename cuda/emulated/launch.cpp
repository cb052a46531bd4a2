// Launches: held against the limits of the device, then queued.
#include "cuda/emulated/launch.h"

#include <map>
#include <vector>

#include "cuda/emulated/block.h"
#include "cuda/emulated/state.h"
#include "cuda/emulated/streams.h"

namespace convlet::emulated {
namespace {

struct Launches {
  std::map<const void*, std::size_t> shared_bytes;  // that kernels may ask for, if more than without asking
  std::vector<LaunchRecord> log;
  bool logging = false;
};

Launches& launches() {
  static auto* all = new Launches;
  return *all;
}

bool fits(const dim3& size, unsigned x, unsigned y, unsigned z) {
  return size.x >= 1 && size.x <= x && size.y >= 1 && size.y <= y && size.z >= 1 && size.z <= z;
}

}  // namespace

void set_log(bool on) { launches().logging = on; }
const std::vector<LaunchRecord>& launch_log() { return launches().log; }
void clear_log() { launches().log.clear(); }

cudaError_t queue_launch(const char* name, const void* kernel, const dim3& grid, const dim3& block,
                         std::size_t shared_bytes, cudaStream_t handle, std::shared_ptr<const Call> call) {
  const Entry entry;
  if (!entry) return entry.error();
  CUstream_st* stream = stream_of(handle);
  if (!stream) return entry.result(cudaErrorInvalidResourceHandle);
  if (!fits(grid, 0x7fffffff, 65535, 65535) || !fits(block, 1024, 1024, 64) ||
      std::uint64_t{block.x} * block.y * block.z > 1024)
    return entry.result(cudaErrorInvalidConfiguration);
  const auto asked = launches().shared_bytes.find(kernel);
  if (shared_bytes > (asked == launches().shared_bytes.end() ? state().limits.shared_bytes : asked->second))
    return entry.result(cudaErrorInvalidValue);
  return entry.result(submit(*stream, [=] {
    if (launches().logging) launches().log.push_back({name, grid, block, shared_bytes});
    run_grid({name, grid, block, shared_bytes, call.get()});
  }));
}

}  // namespace convlet::emulated

using namespace convlet::emulated;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Entry entry;
  if (!entry) return entry.error();
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<std::size_t>(value) > state().limits.shared_opt_in_bytes)
    return entry.result(cudaErrorInvalidValue);
  launches().shared_bytes[kernel] = std::max(static_cast<std::size_t>(value), state().limits.shared_bytes);
  return cudaSuccess;
}
