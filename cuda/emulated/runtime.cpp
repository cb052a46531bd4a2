// Calls of the runtime about the device and its errors.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "cuda/emulated/state.h"

using convlet::emulated::driver_error;
using convlet::emulated::Entry;
using convlet::emulated::state;

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not initiated in this stream"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a "
     "capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
};

const ErrorText& text_of(cudaError_t error) {
  static constexpr ErrorText unknown = {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};
  for (const ErrorText& known : kErrors)
    if (known.error == error) return known;
  return unknown;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }

cudaError_t cudaGetLastError() {
  const std::lock_guard<std::recursive_mutex> lock(state().lock);
  const cudaError_t last = state().last;
  state().last = state().sticky;
  return last;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> lock(state().lock);
  return state().last;
}

cudaError_t cudaDriverGetVersion(int* version) {
  const Entry entry(Entry::Needs::Nothing);
  *version = state().driver_version;
  return entry.error();
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  const Entry entry(Entry::Needs::Nothing);
  *version = convlet::emulated::kRuntimeVersion;
  return entry.error();
}

cudaError_t cudaGetDeviceCount(int* count) {
  const Entry entry(Entry::Needs::Nothing);
  *count = 0;
  if (!entry) return entry.error();
  const cudaError_t error = driver_error();
  if (error == cudaSuccess) *count = state().devices;
  return entry.result(error);
}

cudaError_t cudaSetDevice(int device) {
  const Entry entry(Entry::Needs::Nothing);
  if (!entry) return entry.error();
  if (const cudaError_t error = driver_error()) return entry.result(error);
  return entry.result(device >= 0 && device < state().devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int* device) {
  const Entry entry;
  *device = 0;
  return entry.error();
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const Entry entry;
  if (!entry) return entry.error();
  if (device < 0 || device >= state().devices) return entry.result(cudaErrorInvalidDevice);
  const auto& limits = state().limits;
  *properties = {};
  std::strncpy(properties->name, limits.name, sizeof properties->name - 1);
  properties->totalGlobalMem = state().memory_limit;
  properties->sharedMemPerBlock = limits.shared_bytes;
  properties->sharedMemPerBlockOptin = limits.shared_opt_in_bytes;
  properties->major = limits.major;
  properties->minor = limits.minor;
  properties->multiProcessorCount = limits.multiprocessors;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  const int threads[] = {1024, 1024, 64}, grid[] = {0x7fffffff, 65535, 65535};
  std::memcpy(properties->maxThreadsDim, threads, sizeof threads);
  std::memcpy(properties->maxGridSize, grid, sizeof grid);
  return cudaSuccess;
}

// Every process has emulated devices of its own.
cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int device) {
  const Entry entry;
  if (!entry) return entry.error();
  if (device < 0 || device >= state().devices) return entry.result(cudaErrorInvalidDevice);
  std::snprintf(text, static_cast<std::size_t>(bytes), "%08x:%02x:00.0", static_cast<unsigned>(getpid()), device);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const Entry entry;
  if (!entry) return entry.error();
  if (device < 0 || device >= state().devices) return entry.result(cudaErrorInvalidDevice);
  const auto& limits = state().limits;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(limits.shared_bytes);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(limits.shared_opt_in_bytes);
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = limits.multiprocessors;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = limits.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = limits.minor;
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    default:
      return entry.result(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
