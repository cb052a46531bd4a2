#include "cuda/emulated/state.h"

#include "cuda/emulated/block.h"

namespace convlet::emulated {
namespace {

constexpr Limits kProfiles[] = {
    {"emulated Turing", 7, 5, 40, 48 * 1024, 64 * 1024},
    {"emulated Ampere", 8, 6, 84, 48 * 1024, 99 * 1024},
    {"emulated Hopper", 9, 0, 132, 48 * 1024, 227 * 1024},
    {"emulated tiny", 7, 5, 1, 16 * 1024, 16 * 1024},
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

Entry::Entry() : lock_(state().lock), error_(state().sticky) {
  State& all = state();
  if (all.calls_to_fault > 0 && --all.calls_to_fault == 0) error_ = all.last = all.fault;
}

cudaError_t Entry::result(cudaError_t error) const {
  if (error != cudaSuccess) state().last = error;
  return error;
}

}  // namespace convlet::emulated
