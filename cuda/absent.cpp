// The device of a build without CUDA: the symbols of device.h and ops.h, so that no other file needs to ask.
#include <stdexcept>

#include "cuda/device.h"
#include "cuda/ops.h"

namespace convlet::cuda {
namespace {

[[noreturn]] void refuse(const char* op) {
  throw std::runtime_error(std::string(op) + ": device 'cuda' cannot be used: " + status());
}

}  // namespace

std::string status() { return "convlet was built without CUDA"; }
void require(const char* op) { refuse(op); }

DeviceInfo info() { refuse("info"); }
std::shared_ptr<void> allocate(std::size_t) { refuse("allocate"); }
void upload(void*, const void*, std::size_t) { refuse("upload"); }
void download(void*, const void*, std::size_t) { refuse("download"); }
void copy(void*, const void*, std::size_t) { refuse("copy"); }
void gather_strided(void*, const void*, std::size_t, const std::vector<std::int64_t>&,
                    const std::vector<std::int64_t>&) {
  refuse("gather_strided");
}
void synchronize() { refuse("synchronize"); }
void synchronize_device() { refuse("synchronize"); }
Stream stream() { refuse("stream"); }
void wait_for(Stream) { refuse("wait_for"); }
void make_wait(Stream) { refuse("make_wait"); }
std::shared_ptr<void> admit(const void*, std::size_t) { refuse("admit"); }
bool owns(const void*) { refuse("owns"); }

void conv2d(Stream, const Conv2d&, std::int64_t, const float*, const float*, const float*, Activation, float*) {
  refuse("conv2d");
}
void conv2d_backward_input(Stream, const Conv2d&, std::int64_t, const float*, const float*, float*) {
  refuse("conv2d_backward");
}
std::int64_t conv2d_scratch(const Conv2d&, std::int64_t) { refuse("conv2d_backward"); }
void conv2d_backward_weight(Stream, const Conv2d&, std::int64_t, const float*, const float*, float*, float*, float*) {
  refuse("conv2d_backward");
}
void linear(Stream, const Linear&, std::int64_t, const float*, const float*, const float*, Activation, float*) {
  refuse("linear");
}
void linear_backward_input(Stream, const Linear&, std::int64_t, const float*, const float*, float*) {
  refuse("linear_backward");
}
std::int64_t linear_scratch(const Linear&, std::int64_t) { refuse("linear_backward"); }
void linear_backward_weight(Stream, const Linear&, std::int64_t, const float*, const float*, float*, float*, float*) {
  refuse("linear_backward");
}
void max_pool2d(Stream, const Pool2d&, std::int64_t, const float*, float*, std::int64_t*) { refuse("max_pool2d"); }
void max_pool2d_backward(Stream, const Pool2d&, std::int64_t, const float*, const std::int64_t*, float*) {
  refuse("max_pool2d_backward");
}
void avg_pool2d(Stream, const Pool2d&, std::int64_t, const float*, float*) { refuse("avg_pool2d"); }
void avg_pool2d_backward(Stream, const Pool2d&, std::int64_t, const float*, float*) { refuse("avg_pool2d_backward"); }
void activation(Stream, Activation, const float*, std::int64_t, float*) { refuse("activation"); }
void activation_backward(Stream, Activation, const float*, const float*, std::int64_t, float*) {
  refuse("activation_backward");
}
void softmax(Stream, const Classes&, const float*, float*) { refuse("softmax"); }
void log_softmax(Stream, const Classes&, const float*, float*) { refuse("log_softmax"); }
void softmax_backward(Stream, const Classes&, const float*, const float*, float*) { refuse("softmax_backward"); }
void log_softmax_backward(Stream, const Classes&, const float*, const float*, float*) {
  refuse("log_softmax_backward");
}
void cross_entropy(Stream, const CrossEntropyLoss&, const Classes&, const float*, const std::int64_t*,
                   const LossBuffers&) {
  refuse("cross_entropy");
}
void find_bad_target(Stream, const CrossEntropyLoss&, std::int64_t, const std::int64_t*, std::int64_t*) {
  refuse("cross_entropy");
}
void scale_bytes(Stream, const std::uint8_t*, std::int64_t, float*) { refuse("scale_bytes"); }
StepRates rates_of(const Optimizer&, double, std::int64_t) { refuse("update"); }
void update(Stream, const Optimizer&, const StepRates*, const float*, std::int64_t, float*, float*, float*) {
  refuse("update");
}

}  // namespace convlet::cuda
