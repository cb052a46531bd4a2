#include "cuda/emulated/state.h"

#include "cuda/emulated/block.h"
#include "cuda/emulated/queue.h"
#include "cuda/emulated/streams.h"

namespace convlet::emulated {
namespace {

constexpr Limits kProfiles[] = {
    {"Turing", 7, 5, 40, 48 * 1024, 64 * 1024},
    {"Ampere", 8, 6, 84, 48 * 1024, 99 * 1024},
    {"Hopper", 9, 0, 132, 48 * 1024, 227 * 1024},
    {"tiny", 7, 5, 1, 16 * 1024, 16 * 1024},
};

}  // namespace

State& state() {
  static auto* all = [] {
    auto* fresh = new State;
    fresh->limits = kProfiles[static_cast<int>(Profile::Hopper)];
    return fresh;
  }();
  return *all;
}

void set_profile(Profile profile) { state().limits = kProfiles[static_cast<int>(profile)]; }
void set_memory_limit(std::size_t bytes) { state().memory_limit = bytes; }
void set_driver_version(int version) { state().driver_version = version; }
void set_device_count(int count) { state().devices = count; }

void fail_call(std::int64_t count, cudaError_t error) {
  state().calls_to_fault = count;
  state().fault = error;
}

void lose_device() { state().sticky = cudaErrorDevicesUnavailable; }

std::string last_finding() { return state().finding; }

void note(cudaError_t error, const std::string& sentence) {
  if (state().sticky == cudaSuccess) state().sticky = error;
  if (state().finding.empty()) state().finding = sentence;
}

void report(cudaError_t error, const std::string& sentence) {
  note(error, sentence);
  abandon_launch();
}

cudaError_t driver_error() {
  if (state().driver_version < kRuntimeVersion) return cudaErrorInsufficientDriver;
  return state().devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}

void reset() {
  const std::lock_guard<std::recursive_mutex> lock(state().lock);
  drop_all();
  for (CUstream_st* stream : all_streams()) {
    if (stream->place.capture) stream->place.capture->ended = true;
    stream->place = {};
  }
  State& all = state();
  all.sticky = all.last = cudaSuccess;
  all.finding.clear();
  all.calls_to_fault = 0;
  clear_log();
}

Entry::Entry(Needs needs) : lock_(state().lock), error_(state().sticky) {
  State& all = state();
  if (error_ == cudaSuccess && needs == Needs::Device) error_ = driver_error();
  if (all.calls_to_fault > 0 && --all.calls_to_fault == 0) error_ = all.fault;
  if (error_ != cudaSuccess) all.last = error_;
}

cudaError_t Entry::result(cudaError_t error) const {
  if (error != cudaSuccess) state().last = error;
  return error;
}

}  // namespace convlet::emulated
