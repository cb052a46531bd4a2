// The device: which one, whether it can be used, its memory and its stream.
#include <cuda_runtime.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernels/device.cuh"
#include "cuda/runtime.h"

#ifdef CONVLET_CUDA_EMULATED
#include "cuda/emulated/emulated.h"
#endif

namespace convlet::cuda {
namespace {

// What the process keeps of the device once it is in use.
struct Device {
  int ordinal = 0;
  cudaMemPool_t pool = nullptr;
  Stream stream = nullptr;
};

std::mutex opening;
std::atomic<Device*> opened{nullptr};  // never closed: CUDA's own end of the process does that
std::atomic<int> selected{-1};         // device; by default the first that can be used
std::atomic<pid_t> first_process{0};   // the one that CUDA was first asked in

std::vector<std::string> architectures() {
  std::vector<std::string> all;
  std::istringstream list(CONVLET_CUDA_ARCHITECTURES);
  for (std::string one; std::getline(list, one, ',');) all.push_back(one);
  return all;
}

std::string decimal(int version) {  // 13000 -> "13.0"
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// 75 -> "7.5"
std::string capability(int number) { return std::to_string(number / 10) + "." + std::to_string(number % 10); }

// Whether the build has code for a compute capability: its own or an older one of the same major number, or PTX of an
// older one.
bool has_code_for(int number) {
  const auto all = architectures();
  return std::any_of(all.begin(), all.end(), [number](const std::string& name) {
    const int built = std::atoi(name.c_str());
    if (built == 0) return true;  // "native", "emulated"
    const bool real = name.find("-virtual") == std::string::npos, ptx = name.find("-real") == std::string::npos;
    return built <= number && ((real && built / 10 == number / 10) || ptx);
  });
}

std::string too_old_or_new(int number) {
  int first = 0, last = 0;
  for (const std::string& name : architectures()) {
    const int built = std::atoi(name.c_str());
    first = first == 0 ? built : std::min(first, built);
    last = std::max(last, built);
  }
  return "the GPU has compute capability " + capability(number) + ", convlet was built for " + capability(first) +
         (first == last ? "" : " to " + capability(last));
}

std::string said(cudaError_t error) {
  std::string text = std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ")";
#ifdef CONVLET_CUDA_EMULATED
  if (const std::string finding = emulated::last_finding(); !finding.empty()) text += ": " + finding;
#endif
  return text;
}

// Why this build cannot use a device; "" if it can.
std::string why_not(int device) {
  int major = 0, minor = 0;
  cudaError_t asked = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (asked == cudaSuccess) asked = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  if (asked != cudaSuccess) return said(asked);
  return has_code_for(10 * major + minor) ? "" : too_old_or_new(10 * major + minor);
}

// How many devices there are, or the reason why there is none.
std::string count_devices(int* count) {
  int driver = 0, built = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&built);
  const cudaError_t error = cudaGetDeviceCount(count);
  if (error != cudaSuccess) cudaGetLastError();
  if (driver == 0) return "no usable NVIDIA driver";
  if (error == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver is too old: it supports CUDA " + decimal(driver) + ", convlet was built with CUDA " +
           decimal(built);
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && *count == 0)) {
    return "no NVIDIA GPU was found, or CUDA_VISIBLE_DEVICES hides it";
  }
  return error == cudaSuccess ? "" : said(error);
}

// The device that was selected, or the first that can be used, or the reason why there is none.
std::string find_device(int* ordinal) {
  int count = 0;
  std::string reason = count_devices(&count);
  if (!reason.empty()) return reason;
  const int only = selected;
  for (int device = std::max(only, 0); device < (only < 0 ? count : only + 1); ++device) {
    const std::string why = why_not(device);
    if (why.empty()) {
      *ordinal = device;
      return "";
    }
    if (reason.empty()) reason = why;
  }
  return reason;
}

// Whether CUDA belongs to the process that this one was forked from.
bool forked() {
  pid_t none = 0;
  return !first_process.compare_exchange_strong(none, getpid()) && none != getpid();
}

// The device in use, which the first call chooses and opens.
Device& device(const char* op) {
  require(op);
  Device* known = opened;
  if (!known) {
    const std::lock_guard<std::mutex> lock(opening);
    known = opened;
    if (!known) {
      auto fresh = std::make_unique<Device>();
      find_device(&fresh->ordinal);
      check(op, cudaSetDevice(fresh->ordinal));
      check(op, cudaDeviceGetDefaultMemPool(&fresh->pool, fresh->ordinal));
      std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
      check(op, cudaMemPoolSetAttribute(fresh->pool, cudaMemPoolAttrReleaseThreshold, &keep_all));
      check(op, cudaStreamCreateWithFlags(&fresh->stream, cudaStreamNonBlocking));
      opened = known = fresh.release();
    }
  }
  thread_local int current = 0;  // CUDA begins every thread of the host with device 0
  if (current != known->ordinal) {
    check(op, cudaSetDevice(known->ordinal));
    current = known->ordinal;
  }
  return *known;
}

cudaError_t allocate_once(const Device& device, void** address, std::size_t bytes) {
  const cudaError_t error = cudaMallocAsync(address, bytes, device.stream);
  if (error == cudaErrorMemoryAllocation) cudaGetLastError();
  return error;
}

// Makes one stream wait for what another has queued so far.
void order(const char* op, Stream before, Stream after) {
  cudaEvent_t event = nullptr;
  check(op, cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  cudaError_t error = cudaEventRecord(event, before);
  if (error == cudaSuccess) error = cudaStreamWaitEvent(after, event, 0);
  cudaEventDestroy(event);
  check(op, error);
}

constexpr int kAxes = 12;

struct Strided {
  int axes = 0;
  std::int64_t sizes[kAxes] = {}, strides[kAxes] = {};  // in elements, last axis first
};

// Axes of one element left out, and neighbours that lie behind one another joined.
Strided joined(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides) {
  Strided all;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1) continue;
    const int last = all.axes - 1;
    if (last >= 0 && strides[i] == all.sizes[last] * all.strides[last]) {
      all.sizes[last] *= sizes[i];
      continue;
    }
    if (all.axes == kAxes) throw std::invalid_argument("cuda: expected at most 12 axes with gaps between them");
    all.sizes[all.axes] = sizes[i];
    all.strides[all.axes++] = strides[i];
  }
  return all;
}

// to[i] = from[where element i of the strided array lies]
template <class Item>
__global__ void gather_strided_kernel(Strided shape, std::int64_t count, const Item* from, Item* to) {
  const std::int64_t i = thread_of_grid();
  if (i >= count) return;
  std::int64_t offset = 0, left = i;
  for (int axis = 0; axis < shape.axes; ++axis) {
    offset += left % shape.sizes[axis] * shape.strides[axis];
    left /= shape.sizes[axis];
  }
  to[i] = from[offset];
}

template <class Item>
void gather_items(const Strided& shape, std::int64_t count, const void* from, void* to) {
  launch("gather_strided", gather_strided_kernel<Item>, line(count), stream(), shape, count,
         static_cast<const Item*>(from), static_cast<Item*>(to));
}

}  // namespace

std::string status() {
  if (forked()) return "CUDA was initialised before this process was forked: start processes with 'spawn'";
  if (const Device* known = opened) {
    cudaStreamCaptureStatus capturing;
    const cudaError_t error = cudaStreamIsCapturing(known->stream, &capturing);  // legal at any time
    return error == cudaSuccess ? "" : said(error);
  }
  int ordinal = 0;
  return find_device(&ordinal);
}

void require(const char* op) {
  if (const std::string reason = status(); !reason.empty())
    throw std::runtime_error(std::string(op) + ": device 'cuda' cannot be used: " + reason);
}

void fail(const char* what, cudaError_t error) {
  const std::string text = std::string(what) + ": CUDA: " + said(error);
  cudaGetLastError();
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(text);
  throw std::runtime_error(text);
}

DeviceInfo info() {
  const Device& used = device("info");
  cudaDeviceProp properties{};
  check("info", cudaGetDeviceProperties(&properties, used.ordinal));
  DeviceInfo info;
  info.name = properties.name;
  char bus_id[32] = "";
  check("info", cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, used.ordinal));
  info.bus_id = bus_id;
#ifdef CONVLET_CUDA_EMULATED
  info.kind = Kind::Emulated;
#endif
  info.ordinal = used.ordinal;
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  check("info", cudaDriverGetVersion(&info.driver_version));
  check("info", cudaRuntimeGetVersion(&info.runtime_version));
  info.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
  info.shared_bytes = static_cast<std::int64_t>(properties.sharedMemPerBlockOptin);
  info.build_architectures = architectures();
  return info;
}

std::vector<int> usable_devices() {
  int count = 0;
  if (forked() || !count_devices(&count).empty()) return {};
  std::vector<int> all;
  for (int device = 0; device < count; ++device) {
    if (why_not(device).empty()) all.push_back(device);
  }
  return all;
}

void select_device(int ordinal) {
  const std::lock_guard<std::mutex> lock(opening);
  const Device* known = opened;
  if (known && known->ordinal != ordinal) {
    throw std::runtime_error("device 'cuda': expected GPU " + std::to_string(ordinal) +
                             " to be chosen before the first use of any, got GPU " + std::to_string(known->ordinal) +
                             " in use");
  }
  selected = ordinal;
}

std::shared_ptr<void> allocate(std::size_t bytes) {
  const Device& used = device("allocate");
  bytes = std::max<std::size_t>(bytes, 1);
  void* address = nullptr;
  cudaError_t error = allocate_once(used, &address, bytes);
  if (error == cudaErrorMemoryAllocation) {  // give back what the pool keeps in pieces, and try again
    synchronize();
    check("allocate", cudaMemPoolTrimTo(used.pool, 0));
    error = allocate_once(used, &address, bytes);
  }
  if (error == cudaErrorMemoryAllocation) {
    std::size_t free = 0, total = 0;
    check("allocate", cudaMemGetInfo(&free, &total));
    throw OutOfMemory("the GPU is out of memory: asked for " + std::to_string(bytes) + " bytes, " +
                      std::to_string(free) + " of " + std::to_string(total) + " are free");
  }
  check("allocate", error);
  return std::shared_ptr<void>(address, [stream = used.stream](void* allocated) {
    if (!forked()) cudaFreeAsync(allocated, stream);
  });
}

void upload(void* device_memory, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
  const Device& used = device("upload");
  check("upload", cudaMemcpyAsync(device_memory, host, bytes, cudaMemcpyHostToDevice, used.stream));
  cudaPointerAttributes attributes{};
  check("upload", cudaPointerGetAttributes(&attributes, host));
  // Plain memory has been read by now; pinned memory, which somebody else may have given us, has not.
  if (attributes.type != cudaMemoryTypeUnregistered) synchronize();
}

void download(void* host, const void* device_memory, std::size_t bytes) {
  if (bytes == 0) return;
  check("download", cudaMemcpyAsync(host, device_memory, bytes, cudaMemcpyDeviceToHost, device("download").stream));
  synchronize();
}

void copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check("copy", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, device("copy").stream));
}

void gather_strided(void* to, const void* from, std::size_t item_bytes, const std::vector<std::int64_t>& sizes,
                    const std::vector<std::int64_t>& strides) {
  const Strided shape = joined(sizes, strides);
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  switch (item_bytes) {
    case 1:
      return gather_items<std::uint8_t>(shape, count, from, to);
    case 2:
      return gather_items<std::uint16_t>(shape, count, from, to);
    case 4:
      return gather_items<std::uint32_t>(shape, count, from, to);
    case 8:
      return gather_items<std::uint64_t>(shape, count, from, to);
    default:
      throw std::invalid_argument("cuda: expected elements of 1, 2, 4 or 8 bytes, got " + std::to_string(item_bytes));
  }
}

void synchronize() { check("synchronize", cudaStreamSynchronize(device("synchronize").stream)); }

void synchronize_device() {
  device("synchronize");
  check("synchronize", cudaDeviceSynchronize());
}

Stream stream() { return device("stream").stream; }

void wait_for(Stream other) { order("wait_for", other, stream()); }
void make_wait(Stream other) { order("make_wait", stream(), other); }

std::shared_ptr<void> admit([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t bytes) {
#ifdef CONVLET_CUDA_EMULATED
  return emulated::admit(address, bytes);
#else
  return nullptr;
#endif
}

bool owns(const void* address) {
  const Device& used = device("owns");
  cudaPointerAttributes attributes{};
  check("owns", cudaPointerGetAttributes(&attributes, address));
  return attributes.type == cudaMemoryTypeDevice && attributes.device == used.ordinal;
}

}  // namespace convlet::cuda
