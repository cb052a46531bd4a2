// The emulated device as tests set it up and question it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulated/api.h"
#include "cuda/emulated/language.h"

namespace convlet::emulated {

// In which order things run that CUDA leaves open: blocks, threads between barriers, streams, nodes of a graph.
enum class Order { Ascending, Descending, Random };
void set_order(Order order, std::uint64_t seed = 0);

enum class Profile { Turing, Ampere, Hopper, Tiny };
void set_profile(Profile profile);
void set_memory_limit(std::size_t bytes);

// The count-th call from now of any function of the runtime (1: the next) returns `error`, once.
void fail_call(std::int64_t count, cudaError_t error);
// From now on every call fails.
void lose_device();
// What the driver and the device claim to be. No driver at all: version 0.
void set_driver_version(int version);
void set_device_count(int count);

// Memory of the host that kernels may use too, as long as the result lives: what other libraries lend.
std::shared_ptr<void> admit(const void* address, std::size_t bytes);

// The first fault that a launch or a copy was found to have, in one sentence; "" if none was.
std::string last_finding();
// Forgets findings, errors, faults to come and the log; memory and streams stay.
void reset();

struct LaunchRecord {
  std::string name;
  dim3 grid, block;
  std::size_t shared_bytes = 0;
};
// All launches since the last reset, if the log is on.
void set_log(bool on);
const std::vector<LaunchRecord>& launch_log();

}  // namespace convlet::emulated
