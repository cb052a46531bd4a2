#include "engine/image_network.h"

#include <algorithm>

#include "engine/normalize.h"
#include "ops/pool2d_tile.h"
#include "ops/tiles.h"

namespace convlet {

ImageNetwork::ImageNetwork(const Plan& plan, const Kernels& kernels)
    : plan_(&plan), kernels_(&kernels), operations_(plan.stages.size()) {
  largest_ = round_up(plan.input().image.size(), kTile);
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    Operation& operation = operations_[i];
    largest_ = std::max(largest_, round_up(stage.out.image.size(), kTile));
    switch (stage.layer.kind) {
      case LayerKind::Conv2d:
        operation.conv.emplace(stage.layer.conv, Direction::Forward, kernels);
        operation.weights.reserve(static_cast<std::size_t>(operation.conv->weights()));
        scratch_ = std::max(scratch_, operation.conv->scratch());
        break;
      case LayerKind::Linear:
        operation.linear.emplace(stage.layer.linear, kernels);
        scratch_ = std::max(scratch_, operation.linear->scratch(1));
        break;
      case LayerKind::MaxPool2d:
      case LayerKind::AvgPool2d:
        operation.pooling = pooling_of(stage.layer.pool);
        break;
      case LayerKind::Softmax:
      case LayerKind::LogSoftmax:
        scratch_ = std::max(scratch_, stage.out.image.channels * kTile);
        break;
      default:
        break;
    }
  }
}

void ImageNetwork::pack(const float* parameters) {
  for (std::size_t i = 0; i < plan_->stages.size(); ++i) {
    Operation& operation = operations_[i];
    if (operation.conv) operation.conv->pack(parameters + plan_->stages[i].parameter, operation.weights.data());
  }
}

const float* ImageNetwork::forward(const float* parameters, const float* x, float* arena, int threads) const {
  float* turns[2] = {arena, arena + largest_};
  float* scratch = arena + 2 * largest_;
  for (std::size_t i = 0; i < plan_->stages.size(); ++i) {
    const Stage& stage = plan_->stages[i];
    const Operation& operation = operations_[i];
    const float* bias = stage.biases ? parameters + stage.bias() : nullptr;
    float* y = x == turns[0] ? turns[1] : turns[0];
    switch (stage.layer.kind) {
      case LayerKind::Conv2d:
        forward_conv(stage, operation, bias, x, scratch, y, threads);
        break;
      case LayerKind::Linear:
        operation.linear->run(1, x, parameters + stage.parameter, bias, scratch, y);
        break;
      case LayerKind::MaxPool2d:
        kernels_->max_pool_image(operation.pooling, x, y);
        break;
      case LayerKind::AvgPool2d:
        kernels_->average_pool_image(operation.pooling, x, y);
        break;
      case LayerKind::Flatten:
      case LayerKind::Identity:
      case LayerKind::Dropout:
        continue;
      case LayerKind::Normalize:
        normalize(*kernels_, stage, 1, x, y);
        break;
      case LayerKind::Relu:
      case LayerKind::Sigmoid:
      case LayerKind::Tanh:
        kernels_->activate(activation_of(stage.layer.kind), x, stage.out.image.size(), y);
        break;
      case LayerKind::Softmax:
      case LayerKind::LogSoftmax:
        forward_softmax(stage, x, scratch, y);
        break;
    }
    x = y;
  }
  return x;
}

void ImageNetwork::forward_conv(const Stage& stage, const Operation& operation, const float* bias, const float* x,
                                float* scratch, float* y, int threads) const {
  const ImagePass& pass = *operation.conv;
  if (threads == 1) {
    for (std::int64_t band = 0; band < pass.bands(); ++band) {
      pass.run(band, 1, x, operation.weights.data(), bias, scratch, y);
    }
    return;
  }
  for_each_piece(pass.bands(), stage.multiply_adds, [&](std::int64_t band) {
    float* own = convlet::scratch(Scratch::Y, static_cast<std::size_t>(pass.scratch()));
    pass.run(band, 1, x, operation.weights.data(), bias, own, y);
  });
}

// Sixteen positions at a time go through the tiles' kernel, as if they were images.
void ImageNetwork::forward_softmax(const Stage& stage, const float* x, float* scratch, float* y) const {
  const std::int64_t classes = stage.out.image.channels, plane = stage.out.image.plane();
  const auto kernel = stage.layer.kind == LayerKind::Softmax ? kernels_->softmax : kernels_->log_softmax;
  for (std::int64_t p = 0; p < plane; p += kTile) {
    const std::int64_t count = std::min<std::int64_t>(kTile, plane - p);
    for (std::int64_t k = 0; k < classes; ++k) {
      float* lanes = std::copy_n(x + k * plane + p, count, scratch + k * kTile);
      std::fill_n(lanes, kTile - count, 0.0f);
    }
    kernel(scratch, classes, kTile, scratch);
    for (std::int64_t k = 0; k < classes; ++k) std::copy_n(scratch + k * kTile, count, y + k * plane + p);
  }
}

}  // namespace convlet
