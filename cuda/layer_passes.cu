// Every network, one kernel a layer: activations as (N, C, H, W), each layer's output kept for the backward pass.
#include <algorithm>
#include <vector>

#include "cuda/memory.h"
#include "cuda/ops.h"
#include "cuda/passes.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

bool is_activation(LayerKind kind) { return activation_of(kind) != Activation::None; }

// A layer whose output is its input's memory.
bool shares_memory(const Stage& stage, Use use) {
  return is_alias(stage.layer.kind) || stage.done_by_previous ||
         (stage.layer.kind == LayerKind::Dropout && use == Use::Inference);
}

Classes classes_of(const Stage& stage, std::int64_t count) {
  return {count, stage.out.image.channels, stage.out.image.plane()};
}

class LayerPasses : public Passes {
 public:
  explicit LayerPasses(const Plan& plan) : plan_(plan), outputs_(plan.stages.size()), winners_(plan.stages.size()) {}

  const char* name() const override { return "layer by layer"; }

  void reserve(std::int64_t batch, Use use) override {
    if (batch <= batch_ && (use == Use::Inference || trains_)) return;
    batch_ = std::max(batch, batch_);
    trains_ = trains_ || use == Use::Training;
    input_ = Memory<float>(batch_ * plan_.input().image.size());
    std::int64_t scratch = 0, largest = plan_.output().image.size();
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const Stage& stage = plan_.stages[i];
      const LayerKind kind = stage.layer.kind;
      const std::int64_t size = batch_ * stage.out.image.size();
      if (!shares_memory(stage, trains_ ? Use::Training : Use::Inference)) outputs_[i] = Memory<float>(size);
      if (!trains_) continue;
      if (kind == LayerKind::MaxPool2d) winners_[i] = Memory<std::int64_t>(size);
      if (kind == LayerKind::Conv2d) scratch = std::max(scratch, conv2d_scratch(stage.layer.conv, batch_));
      if (kind == LayerKind::Linear) scratch = std::max(scratch, linear_scratch(stage.layer.linear, batch_));
      largest = std::max(largest, stage.in.image.size());
    }
    if (!trains_) return;
    scratch_ = Memory<float>(scratch);
    for (Memory<float>& slope : slopes_) slope = Memory<float>(batch_ * largest);
  }

  void infer(Stream stream, const Source& source, std::int64_t count, const float* parameters,
             float* outputs) override {
    gather(stream, source, count, input_.data(), nullptr);
    forward(stream, source, count, parameters, Use::Inference, outputs);
  }

  void gradients(Stream stream, const Source& source, std::int64_t count, const float* parameters,
                 const BatchLoss& loss, float* gradients) override {
    gather(stream, source, count, input_.data(), loss.targets);
    const float* logits = forward(stream, source, count, parameters, Use::Training, nullptr);
    const LossBuffers buffers{loss.losses, slopes_[0].data(), loss.divisor, loss.sums, loss.divide};
    cross_entropy(stream, loss.loss, {count, plan_.output().image.channels, 1}, logits, loss.targets, buffers);
    backward(stream, source, count, parameters, gradients);
  }

 private:
  // Where the last layer's output goes to `outputs` unless that is null; returns its place.
  const float* forward(Stream stream, const Source& source, std::int64_t count, const float* parameters, Use use,
                       float* outputs) {
    const float* x = input_.data();
    std::size_t last = plan_.stages.size();  // the layer that writes the network's output
    while (last > 0 && shares_memory(plan_.stages[last - 1], use)) --last;
    if (outputs && last == 0) {
      const auto bytes = static_cast<std::size_t>(count * plan_.input().image.size()) * sizeof(float);
      check("copy", cudaMemcpyAsync(outputs, x, bytes, cudaMemcpyDeviceToDevice, stream));
    }
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const Stage& stage = plan_.stages[i];
      if (shares_memory(stage, use)) continue;
      float* y = outputs && i + 1 == last ? outputs : outputs_[i].data();
      if (stage.layer.kind == LayerKind::Dropout) {
        drop(stream, i, source, count, x, y);
      } else {
        forward_stage(stream, i, count, parameters, use, x, y);
      }
      x = y;
    }
    return x;
  }

  void drop(Stream stream, std::size_t i, const Source& source, std::int64_t count, const float* x, float* y) {
    const Stage& stage = plan_.stages[i];
    dropout_of_step(stream, dropout_of(stage.layer.dropout, static_cast<std::int64_t>(i)), source, count,
                    stage.out.image.size(), x, y);
  }

  void forward_stage(Stream stream, std::size_t i, std::int64_t count, const float* parameters, Use use, const float* x,
                     float* y) {
    const Stage& stage = plan_.stages[i];
    const float *weight = parameters + stage.parameter, *bias = stage.biases ? parameters + stage.bias() : nullptr;
    switch (stage.layer.kind) {
      case LayerKind::Conv2d:
        return conv2d(stream, stage.layer.conv, count, x, weight, bias, stage.after, y);
      case LayerKind::Linear:
        return linear(stream, stage.layer.linear, count, x, weight, bias, stage.after, y);
      case LayerKind::MaxPool2d:
        return max_pool2d(stream, stage.layer.pool, count, x, y, use == Use::Training ? winners_[i].data() : nullptr);
      case LayerKind::AvgPool2d:
        return avg_pool2d(stream, stage.layer.pool, count, x, y);
      case LayerKind::Normalize:
        return normalize(stream, count, stage.out.image.channels, stage.out.image.plane(), stage.layer.mean.data(),
                         stage.layer.std.data(), x, y);
      case LayerKind::Softmax:
        return softmax(stream, classes_of(stage, count), x, y);
      case LayerKind::LogSoftmax:
        return log_softmax(stream, classes_of(stage, count), x, y);
      default:
        return activation(stream, activation_of(stage.layer.kind), x, count * stage.out.image.size(), y);
    }
  }

  // The gradient of the output lies in the first slope buffer.
  void backward(Stream stream, const Source& source, std::int64_t count, const float* parameters, float* gradients) {
    if (plan_.first_trained < 0) return;
    float *dy = slopes_[0].data(), *dx = slopes_[1].data();
    for (auto i = static_cast<std::int64_t>(plan_.stages.size()) - 1; i >= plan_.first_trained; --i) {
      const auto at = static_cast<std::size_t>(i);
      const Stage& stage = plan_.stages[at];
      if (is_alias(stage.layer.kind)) continue;
      if (stage.layer.kind == LayerKind::Dropout) {
        drop(stream, at, source, count, dy, dy);
        continue;
      }
      if (is_activation(stage.layer.kind)) {
        activation_backward(stream, activation_of(stage.layer.kind), dy, output(at), count * stage.out.image.size(),
                            dy);
        continue;
      }
      backward_stage(stream, at, count, parameters, dy, dx, gradients);
      std::swap(dy, dx);
    }
  }

  void backward_stage(Stream stream, std::size_t i, std::int64_t count, const float* parameters, const float* dy,
                      float* dx, float* gradients) {
    const Stage& stage = plan_.stages[i];
    const bool last = static_cast<int>(i) == plan_.first_trained;  // nothing before it wants a gradient
    const float* weight = parameters + stage.parameter;
    float *dw = gradients + stage.parameter, *db = stage.biases ? gradients + stage.bias() : nullptr;
    switch (stage.layer.kind) {
      case LayerKind::Conv2d:
        conv2d_backward_weight(stream, stage.layer.conv, count, dy, input(i), scratch_.data(), dw, db);
        if (!last) conv2d_backward_input(stream, stage.layer.conv, count, dy, weight, dx);
        return;
      case LayerKind::Linear:
        linear_backward_weight(stream, stage.layer.linear, count, dy, input(i), scratch_.data(), dw, db);
        if (!last) linear_backward_input(stream, stage.layer.linear, count, dy, weight, dx);
        return;
      case LayerKind::MaxPool2d:
        return max_pool2d_backward(stream, stage.layer.pool, count, dy, winners_[i].data(), dx);
      case LayerKind::AvgPool2d:
        return avg_pool2d_backward(stream, stage.layer.pool, count, dy, dx);
      case LayerKind::Normalize: {
        const std::vector<float> none(stage.layer.std.size(), 0.0f);
        return normalize(stream, count, stage.out.image.channels, stage.out.image.plane(), none.data(),
                         stage.layer.std.data(), dy, dx);
      }
      case LayerKind::Softmax:
        return softmax_backward(stream, classes_of(stage, count), dy, output(i), dx);
      default:
        return log_softmax_backward(stream, classes_of(stage, count), dy, output(i), dx);
    }
  }

  const float* output(std::size_t i) const {
    while (shares_memory(plan_.stages[i], Use::Training)) {
      if (i == 0) return input_.data();
      --i;
    }
    return outputs_[i].data();
  }
  const float* input(std::size_t i) const { return i == 0 ? input_.data() : output(i - 1); }

  Plan plan_;
  std::int64_t batch_ = 0;
  bool trains_ = false;
  Memory<float> input_, scratch_;
  Memory<float> slopes_[2];  // gradients of a layer's output and input, in turn
  std::vector<Memory<float>> outputs_;
  std::vector<Memory<std::int64_t>> winners_;
};

}  // namespace

std::unique_ptr<Passes> layer_passes(const Plan& plan) { return std::make_unique<LayerPasses>(plan); }

}  // namespace convlet::cuda
