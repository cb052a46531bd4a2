#include "engine/network.h"

#include <algorithm>

#include "engine/normalize.h"
#include "ops/pool2d_tile.h"

namespace convlet {

Stash::Stash(const Plan& plan, std::int64_t tiles)
    : plan_(&plan),
      tiles_(tiles),
      slots_(static_cast<std::size_t>(tiles * plan.slot_size)),
      dense_(plan.stages.size()) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.stages[i].layer.kind != LayerKind::Linear) continue;
    const auto floats = static_cast<std::size_t>(tiles * kTile * row(plan.stages[i]));
    dense_[i].inputs.reserve(floats);
    std::fill_n(dense_[i].inputs.data(), floats, 0.0f);  // the end of each row stays zero
    dense_[i].slopes.reserve(static_cast<std::size_t>(tiles * kTile * plan.stages[i].layer.linear.outputs));
  }
}

Network::Network(const Plan& plan, const Kernels& kernels, const MatrixKernels* matrix)
    : plan_(&plan), kernels_(&kernels), operations_(plan.stages.size()) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    Operation& operation = operations_[i];
    switch (stage.layer.kind) {
      case LayerKind::Conv2d:
        if (matrix && MatrixTile::suits(stage.layer.conv)) {
          make(stage.layer.conv, *matrix, operation);
          break;
        }
        operation.conv.emplace(stage.layer.conv, kernels);
        operation.forward.reserve(static_cast<std::size_t>(operation.conv->forward_weights()));
        operation.backward.reserve(static_cast<std::size_t>(operation.conv->backward_weights()));
        break;
      case LayerKind::Linear:
        if (matrix) {
          make(MatrixTile::convolution(stage.layer.linear), *matrix, operation);
          break;
        }
        operation.linear.emplace(stage.layer.linear, kernels);
        operation.forward.reserve(static_cast<std::size_t>(operation.linear->forward_weights()));
        operation.backward.reserve(static_cast<std::size_t>(operation.linear->backward_weights()));
        break;
      case LayerKind::MaxPool2d:
      case LayerKind::AvgPool2d:
        operation.pooling = pooling_of(stage.layer.pool);
        break;
      default:
        break;
    }
  }
}

void Network::make(const Conv2d& op, const MatrixKernels& matrix, Operation& operation) const {
  const MatrixTile& made = operation.matrix.emplace(op, matrix);
  const auto forward = static_cast<std::size_t>(made.forward_weights());
  const auto backward = static_cast<std::size_t>(made.backward_weights());
  std::fill_n(operation.forward.reserve(forward), forward, 0.0f);
  std::fill_n(operation.backward.reserve(backward), backward, 0.0f);
}

void Network::pack(std::size_t i, std::int64_t o0, std::int64_t o1, const float* parameters, Passes passes) {
  Operation& operation = operations_[i];
  const float* w = parameters + plan_->stages[i].parameter;
  const auto pack = [&](const auto& op) {
    op.pack_forward(w, o0, o1, operation.forward.data());
    if (passes == Passes::Both && wants_input_gradient(i)) op.pack_backward(w, o0, o1, operation.backward.data());
  };
  if (operation.matrix) {
    pack(*operation.matrix);
  } else if (operation.conv) {
    pack(*operation.conv);
  } else if (operation.linear) {
    pack(*operation.linear);
  }
}

void Network::pack(const float* parameters, Passes passes) {
  for (std::size_t i = 0; i < plan_->stages.size(); ++i) {
    if (plan_->stages[i].weights) pack(i, 0, plan_->stages[i].out.image.channels, parameters, passes);
  }
}

void Network::forward(const float* parameters, float* arena, const TrainingTile* training) const {
  for (std::size_t i = 0; i < plan_->stages.size(); ++i) forward_stage(i, parameters, arena, training);
}

void Network::drop(std::size_t i, const TrainingTile& training, const float* x, float* y) const {
  const Stage& stage = plan_->stages[i];
  const Dropout op = dropout_of(stage.layer.dropout, static_cast<std::int64_t>(i));
  kernels_->dropout(op, training.draw, static_cast<std::uint32_t>(training.first), x, stage.out.image.size(), y);
}

void Network::forward_stage(std::size_t i, const float* parameters, float* arena, const TrainingTile* training) const {
  const Stage& stage = plan_->stages[i];
  const Operation& operation = operations_[i];
  const float* x = arena + stage.x;
  float* y = arena + stage.y;
  const float* bias = stage.biases ? parameters + stage.bias() : nullptr;
  const Image& out = stage.out.image;
  if (operation.matrix) return operation.matrix->forward(x, operation.forward.data(), bias, stage.after, y);
  switch (stage.layer.kind) {
    case LayerKind::Conv2d:
      return operation.conv->forward(x, operation.forward.data(), bias, stage.after, y);
    case LayerKind::Linear:
      return operation.linear->forward(x, operation.forward.data(), bias, stage.after, y);
    case LayerKind::MaxPool2d:
      return kernels_->max_pool(operation.pooling, x, y, arena + stage.winners);
    case LayerKind::AvgPool2d:
      return kernels_->average_pool(operation.pooling, x, y);
    case LayerKind::Flatten:
    case LayerKind::Identity:
      return;
    case LayerKind::Normalize:
      return normalize(*kernels_, stage, kTile, x, y);
    case LayerKind::Dropout:
      if (training) return drop(i, *training, x, y);
      if (x != y) std::copy_n(x, out.size() * kTile, y);
      return;
    case LayerKind::Relu:
    case LayerKind::Sigmoid:
    case LayerKind::Tanh:
      if (stage.done_by_previous) return;
      return kernels_->activate(activation_of(stage.layer.kind), x, out.size() * kTile, y);
    case LayerKind::Softmax:
    case LayerKind::LogSoftmax: {
      const auto kernel = stage.layer.kind == LayerKind::Softmax ? kernels_->softmax : kernels_->log_softmax;
      for (std::int64_t p = 0; p < out.plane(); ++p) {
        kernel(x + p * kTile, out.channels, out.plane() * kTile, y + p * kTile);
      }
    }
  }
}

void Network::backward(float* arena, const TrainingTile& training, int images, Stash& stash) const {
  if (plan_->first_trained < 0) return;
  for (auto i = static_cast<int>(plan_->stages.size()) - 1; i >= plan_->first_trained; --i) {
    backward_stage(static_cast<std::size_t>(i), arena, training, images, stash);
  }
}

void Network::backward_stage(std::size_t i, float* arena, const TrainingTile& training, int images,
                             Stash& stash) const {
  const Stage& stage = plan_->stages[i];
  const Operation& operation = operations_[i];
  const bool last = !wants_input_gradient(i);
  const float* x = arena + stage.x;
  const float* y = arena + stage.y;
  const float* dy = arena + stage.dy;
  float* dx = arena + stage.dx;
  const Image& out = stage.out.image;
  const std::int64_t tile = training.slot;
  float* slot = stash.slot(tile) + std::max<std::int64_t>(stage.slot, 0);
  switch (stage.layer.kind) {
    case LayerKind::Conv2d: {
      float* db = stage.biases ? slot + stage.weights : nullptr;
      if (operation.matrix) {
        operation.matrix->weight_gradient(images, dy, x, slot, db);
        if (!last) operation.matrix->input_gradient(dy, operation.backward.data(), dx);
        return;
      }
      operation.conv->weight_gradient(images, dy, x, arena + plan_->room, slot, db);
      if (!last) operation.conv->input_gradient(dy, operation.backward.data(), dx);
      return;
    }
    case LayerKind::Linear: {
      const std::int64_t row = Stash::row(stage), outputs = stage.layer.linear.outputs;
      float* rows[kTile];
      for (int n = 0; n < kTile; ++n) rows[n] = stash.inputs(i) + (tile * kTile + n) * row;
      kernels_->unpack(x, stage.layer.linear.inputs, rows);
      std::copy(dy, dy + outputs * kTile, stash.slopes(i) + tile * outputs * kTile);
      if (stage.biases) kernels_->sum_lanes(dy, outputs, images, slot);
      if (last) return;
      if (operation.matrix) return operation.matrix->input_gradient(dy, operation.backward.data(), dx);
      operation.linear->input_gradient(dy, operation.backward.data(), dx);
      return;
    }
    case LayerKind::MaxPool2d:
      return kernels_->max_pool_backward(operation.pooling, stage.through, dy, arena + stage.winners, x, dx);
    case LayerKind::AvgPool2d:
      return kernels_->average_pool_backward(operation.pooling, stage.through, dy, x, dx);
    case LayerKind::Flatten:
    case LayerKind::Identity:
      return;
    case LayerKind::Normalize:
      for (std::int64_t c = 0; c < out.channels; ++c) {
        const std::int64_t at = c * out.plane() * kTile;
        kernels_->normalize(dy + at, out.plane() * kTile, 0.0f, stage.layer.std[static_cast<std::size_t>(c)], dx + at);
      }
      return;
    case LayerKind::Dropout:
      return drop(i, training, dy, dx);
    case LayerKind::Relu:
    case LayerKind::Sigmoid:
    case LayerKind::Tanh:
      if (stage.done_by_next) return;
      return kernels_->activate_backward(activation_of(stage.layer.kind), dy, y, out.size() * kTile, dx);
    case LayerKind::Softmax:
    case LayerKind::LogSoftmax: {
      const bool plain = stage.layer.kind == LayerKind::Softmax;
      const auto kernel = plain ? kernels_->softmax_backward : kernels_->log_softmax_backward;
      for (std::int64_t p = 0; p < out.plane(); ++p) {
        kernel(dy + p * kTile, y + p * kTile, out.channels, out.plane() * kTile, dx + p * kTile);
      }
    }
  }
}

}  // namespace convlet
