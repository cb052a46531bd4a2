// The LeNet family in a few fused kernels (cuda/lenet.h), with branches for what need not wait.
#include <algorithm>

#include "cuda/graph.h"
#include "cuda/kernels/lenet.h"
#include "cuda/memory.h"
#include "cuda/ops.h"
#include "cuda/passes.h"

namespace convlet::cuda {
namespace {

using namespace lenet;

Linear linear_of(const Dense& dense) { return {dense.inputs, dense.outputs}; }

class LenetPasses : public Passes {
 public:
  explicit LenetPasses(const lenet::Network& network) : network_(network) {}

  const char* name() const override { return "fused LeNet"; }

  void reserve(std::int64_t batch, Use use) override {
    if (batch <= batch_ && (use == Use::Inference || trains_)) return;
    batch_ = std::max(batch, batch_);
    trains_ = trains_ || use == Use::Training;
    const Features& f = network_.features;
    const Tail& t = network_.tail;
    features_ = Memory<float>(batch_ * f.output());
    hidden_ = Memory<float>(batch_ * network_.first.outputs);
    if (!trains_) return;
    const std::int64_t map = std::int64_t{f.first.channels} * f.first.positions();
    first_ = Memory<float>(batch_ * map * 4);
    middle_ = Memory<float>(batch_ * map);
    second_ = Memory<float>(batch_ * f.output() * 4);
    d_features_ = Memory<float>(batch_ * f.output());
    d_hidden_ = Memory<float>(batch_ * network_.first.outputs);
    for (int l = 0; l < t.layers; ++l) {
      inputs_[l] = Memory<float>(l > 0 ? batch_ * t.dense[l].inputs : 0);
      slopes_[l] = Memory<float>(batch_ * t.dense[l].outputs);
      tail_scratch_[l] = Memory<float>(linear_scratch(linear_of(t.dense[l]), batch_));
    }
    first_scratch_ = Memory<float>(linear_scratch(linear_of(network_.first), batch_));
    hits_ = Memory<float>(batch_);
    slots_ = Memory<float>(slots_of(batch_) * f.slot());
  }

  void infer(Stream stream, const Source& source, std::int64_t count, const float* parameters,
             float* outputs) override {
    features(stream, source, count, network_.features, parameters, {}, features_.data());
    first_dense(stream, count, parameters);
    tail(stream, count, network_.tail, parameters, hidden_.data(), outputs);
  }

  void gradients(Stream stream, const Source& source, std::int64_t count, const float* parameters,
                 const BatchLoss& loss, float* gradients) override {
    const Features& f = network_.features;
    const Saved saved{first_.data(), middle_.data(), second_.data()};
    const bool divides = loss.divide == Divisor::OfTargets;
    if (divides) batch_divisor(weights_.fork(stream), source, count, loss.loss, loss.divisor);
    features(stream, source, count, f, parameters, saved, features_.data());
    first_dense(stream, count, parameters);
    if (divides) weights_.join(stream);
    tail_with_loss(stream, source, count, network_.tail, network_.first.activation, parameters, hidden_.data(),
                   loss.loss, loss.divisor, tail_values(loss));

    first_gradient(weights_.fork(stream), count, gradients);
    tail_gradients(tails_.fork(stream), count, loss, gradients);
    linear_backward_input(stream, linear_of(network_.first), count, d_hidden_.data(),
                          parameters + network_.first.weight, d_features_.data());
    features_backward(stream, source, count, f, parameters, saved, d_features_.data(), slots_.data());
    sum_slots(stream, slots_.data(), slots_of(count), f.slot(), f.slot(), gradients + f.first.weight);
    weights_.join(stream);
    tails_.join(stream);
  }

 private:
  void first_dense(Stream stream, std::int64_t count, const float* parameters) {
    const Dense& d = network_.first;
    linear(stream, linear_of(d), count, features_.data(), parameters + d.weight,
           d.bias < 0 ? nullptr : parameters + d.bias, d.activation, hidden_.data());
  }

  TailValues tail_values(const BatchLoss& loss) const {
    TailValues values;
    for (int l = 0; l < network_.tail.layers; ++l) {
      values.inputs[l] = inputs_[l].data();
      values.slopes[l] = slopes_[l].data();
    }
    values.d_input = d_hidden_.data();
    values.losses = loss.losses;
    values.hits = hits_.data();
    return values;
  }

  void first_gradient(Stream stream, std::int64_t count, float* gradients) {
    const Dense& d = network_.first;
    linear_backward_weight(stream, linear_of(d), count, d_hidden_.data(), features_.data(), first_scratch_.data(),
                           gradients + d.weight, d.bias < 0 ? nullptr : gradients + d.bias);
  }

  void tail_gradients(Stream stream, std::int64_t count, const BatchLoss& loss, float* gradients) {
    for (int l = 0; l < network_.tail.layers; ++l) {
      const Dense& d = network_.tail.dense[l];
      linear_backward_weight(stream, linear_of(d), count, slopes_[l].data(), l > 0 ? inputs_[l].data() : hidden_.data(),
                             tail_scratch_[l].data(), gradients + d.weight, d.bias < 0 ? nullptr : gradients + d.bias);
    }
    sum_losses(stream, loss.losses, hits_.data(), count, loss.sums);
  }

  lenet::Network network_;
  std::int64_t batch_ = 0;
  bool trains_ = false;
  Memory<float> features_, hidden_;        // outputs of the features and of the first dense layer
  Memory<float> first_, middle_, second_;  // Saved
  Memory<float> d_features_, d_hidden_;    // the latter before the activation
  Memory<float> inputs_[kMostTail], slopes_[kMostTail], tail_scratch_[kMostTail];
  Memory<float> first_scratch_, hits_, slots_;
  Branch weights_, tails_;
};

}  // namespace

std::unique_ptr<Passes> lenet_passes(const Plan& plan, std::int64_t shared_bytes) {
  const auto network = match(plan, shared_bytes);
  return network ? std::make_unique<LenetPasses>(*network) : nullptr;
}

}  // namespace convlet::cuda
