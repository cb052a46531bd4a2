// What all calls of the runtime share: the lock, the device's properties, errors and findings, faults to come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "cuda/emulated/emulated.h"

namespace convlet::emulated {

struct Limits {
  const char* name;
  int major, minor, multiprocessors;
  std::size_t shared_bytes, shared_opt_in_bytes;
};

struct State {
  std::recursive_mutex lock;
  Limits limits{};
  std::size_t memory_limit = std::size_t{4} << 30;
  int driver_version = 13000, devices = 1;
  cudaError_t sticky = cudaSuccess, last = cudaSuccess;
  std::string finding;
  std::int64_t calls_to_fault = 0;
  cudaError_t fault = cudaSuccess;
};

State& state();
constexpr int kRuntimeVersion = 13000;

// Records a finding, if it is the first.
void note(cudaError_t error, const std::string& sentence);
// The same by a thread of a running block, which ends there.
[[noreturn]] void report(cudaError_t error, const std::string& sentence);

// What stands in the way of any use of the device.
cudaError_t driver_error();
// Of the launches; launch.cpp.
void clear_log();

// Opens every call of the runtime: holds the lock, and knows whether the call has already failed.
class Entry {
 public:
  enum class Needs { Nothing, Device };
  explicit Entry(Needs needs = Needs::Device);
  explicit operator bool() const { return error_ == cudaSuccess; }
  cudaError_t error() const { return error_; }
  // What the call returns; an error is kept for cudaGetLastError.
  cudaError_t result(cudaError_t error) const;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
  cudaError_t error_;
};

}  // namespace convlet::emulated
