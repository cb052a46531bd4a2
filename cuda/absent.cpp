// The device of a build without CUDA: the symbols of device.h, engine.h, nccl.h and ops.h, so that no other file needs
// to ask.
#include <stdexcept>

#include "cuda/device.h"
#include "cuda/engine.h"
#include "cuda/nccl.h"
#include "cuda/ops.h"

namespace convlet::cuda {
namespace {

[[noreturn]] void absent(const char* op) {
  throw std::runtime_error(std::string(op) + ": device 'cuda' cannot be used: " + status());
}

using I = std::int64_t;
using F = const float*;

}  // namespace

std::string status() { return "convlet was built without CUDA"; }
void require(const char* op) { absent(op); }
DeviceInfo info() { absent("info"); }
std::vector<int> usable_devices() { return {}; }
void select_device(int) { absent("select_device"); }

std::shared_ptr<void> allocate(std::size_t) { absent("allocate"); }
void upload(void*, const void*, std::size_t) { absent("upload"); }
void download(void*, const void*, std::size_t) { absent("download"); }
void copy(void*, const void*, std::size_t) { absent("copy"); }
void gather_strided(void*, const void*, std::size_t, const std::vector<I>&, const std::vector<I>&) {
  absent("gather_strided");
}
void synchronize() { absent("synchronize"); }
void synchronize_device() { absent("synchronize"); }
Stream stream() { absent("stream"); }
void wait_for(Stream) { absent("wait_for"); }
void make_wait(Stream) { absent("make_wait"); }
std::shared_ptr<void> admit(const void*, std::size_t) { absent("admit"); }
bool owns(const void*) { return false; }

void conv2d(Stream, const Conv2d&, I, F, F, F, Activation, float*) { absent("conv2d"); }
void conv2d_backward_input(Stream, const Conv2d&, I, F, F, float*) { absent("conv2d_backward"); }
I conv2d_scratch(const Conv2d&, I) { absent("conv2d_backward"); }
void conv2d_backward_weight(Stream, const Conv2d&, I, F, F, float*, float*, float*) { absent("conv2d_backward"); }

void linear(Stream, const Linear&, I, F, F, F, Activation, float*) { absent("linear"); }
void linear_backward_input(Stream, const Linear&, I, F, F, float*) { absent("linear_backward"); }
I linear_scratch(const Linear&, I) { absent("linear_backward"); }
void linear_backward_weight(Stream, const Linear&, I, F, F, float*, float*, float*) { absent("linear_backward"); }

void max_pool2d(Stream, const Pool2d&, I, F, float*, I*) { absent("max_pool2d"); }
void max_pool2d_backward(Stream, const Pool2d&, I, F, const I*, float*) { absent("max_pool2d_backward"); }
void avg_pool2d(Stream, const Pool2d&, I, F, float*) { absent("avg_pool2d"); }
void avg_pool2d_backward(Stream, const Pool2d&, I, F, float*) { absent("avg_pool2d_backward"); }

void activation(Stream, Activation, F, I, float*) { absent("activation"); }
void activation_backward(Stream, Activation, F, F, I, float*) { absent("activation_backward"); }

void dropout(Stream, const Dropout&, Draw, I, I, F, float*) { absent("dropout"); }
void normalize(Stream, I, I, I, F, F, F, float*) { absent("normalize"); }

void softmax(Stream, const Classes&, F, float*) { absent("softmax"); }
void log_softmax(Stream, const Classes&, F, float*) { absent("log_softmax"); }
void softmax_backward(Stream, const Classes&, F, F, float*) { absent("softmax_backward"); }
void log_softmax_backward(Stream, const Classes&, F, F, float*) { absent("log_softmax_backward"); }

void cross_entropy(Stream, const CrossEntropyLoss&, const Classes&, F, const I*, const LossBuffers&) {
  absent("cross_entropy");
}
void find_bad_target(Stream, const CrossEntropyLoss&, I, const I*, I*) { absent("cross_entropy"); }

void scale_bytes(Stream, const std::uint8_t*, I, float*) { absent("scale_bytes"); }
StepRates rates_of(const Optimizer&, double, I) { absent("step"); }
void update(Stream, const Optimizer&, const StepRates*, F, I, float*, float*, float*) { absent("step"); }

struct DataSet::Arrays {};
DataSet::DataSet(const Images&, const I*) { absent("data set"); }
DataSet::~DataSet() = default;
I DataSet::size() const { absent("data set"); }
I DataSet::bytes() const { absent("data set"); }

struct Engine::State {};
Engine::Engine(const Plan&, Fusion) { absent("engine"); }
Engine::~Engine() = default;
const Plan& Engine::plan() const { absent("engine"); }
std::string Engine::passes() const { absent("engine"); }
void Engine::connect(const std::string&, const std::vector<std::uint8_t>&, int, int) { absent("engine"); }
void Engine::disconnect() { absent("engine"); }
bool Engine::forward(F, const Images&, float*, const Watch&) { absent("engine"); }
void Engine::forward_on_device(F, const Images&, float*) { absent("engine"); }
bool Engine::evaluate(F, const DataSet&, const CrossEntropyLoss&, Totals&, const Watch&) { absent("engine"); }
bool Engine::gradients(F, const DataSet&, const CrossEntropyLoss&, const Draw&, float*, Totals&, const Watch&) {
  absent("engine");
}
bool Engine::train(float*, float*, const DataSet&, const Training&, Totals&, const Watch&) { absent("engine"); }

int nccl_version(const std::string&) { absent("NCCL"); }
std::vector<std::uint8_t> nccl_unique_id(const std::string&) { absent("NCCL"); }

}  // namespace convlet::cuda
