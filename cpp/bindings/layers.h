// Layer and optimizer descriptions: plain dicts in Python, plain structs here.
#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "convlet/augment.h"
#include "convlet/optimizer.h"
#include "convlet/plan.h"

namespace convlet::bindings {

inline Conv2d conv2d_of(const py::dict& d) {
  Conv2d op;
  op.in.channels = d["in_channels"].cast<std::int64_t>();
  op.out_channels = d["out_channels"].cast<std::int64_t>();
  op.kernel = pair_of(d["kernel"].cast<Two>());
  op.stride = pair_of(d["stride"].cast<Two>());
  op.padding = padding_of(d["padding"].cast<Four>());
  op.dilation = pair_of(d["dilation"].cast<Two>());
  op.groups = d["groups"].cast<std::int64_t>();
  return op;
}

inline Pool2d pool2d_of(const py::dict& d, LayerKind kind) {
  Pool2d op;
  op.kernel = pair_of(d["kernel"].cast<Two>());
  op.stride = pair_of(d["stride"].cast<Two>());
  op.padding = padding_of(d["padding"].cast<Four>());
  op.dilation = pair_of(d["dilation"].cast<Two>());
  op.ceil_mode = d["ceil_mode"].cast<bool>();
  if (kind == LayerKind::AvgPool2d) {
    op.count = d["count_include_pad"].cast<bool>() ? AverageDivisor::Window : AverageDivisor::Pixels;
    op.divisor = d["divisor_override"].cast<std::int64_t>();
  }
  return op;
}

// The window of adaptive pooling to one pixel is the image, which the plan knows.
inline Layer adaptive_of(LayerKind kind) {
  Layer layer;
  layer.kind = kind;
  layer.whole_image = true;
  return layer;
}

inline LayerKind kind_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(LayerKind::LogSoftmax); ++i) {
    if (name == name_of(static_cast<LayerKind>(i))) return static_cast<LayerKind>(i);
  }
  refuse("plan", "a known kind of layer", "'" + name + "'");
}

inline Layer layer_of(const py::dict& d) {
  const auto kind = d["kind"].cast<std::string>();
  if (kind == "adaptive_avg_pool2d") return adaptive_of(LayerKind::AvgPool2d);
  if (kind == "adaptive_max_pool2d") return adaptive_of(LayerKind::MaxPool2d);
  Layer layer;
  layer.kind = kind_of(kind);
  switch (layer.kind) {
    case LayerKind::Conv2d:
      layer.conv = conv2d_of(d);
      layer.expected_channels = layer.conv.in.channels;
      layer.bias = d["bias"].cast<bool>();
      break;
    case LayerKind::MaxPool2d:
    case LayerKind::AvgPool2d:
      layer.pool = pool2d_of(d, layer.kind);
      break;
    case LayerKind::Linear:
      layer.linear = {d["in_features"].cast<std::int64_t>(), d["out_features"].cast<std::int64_t>()};
      layer.bias = d["bias"].cast<bool>();
      break;
    case LayerKind::Normalize:
      layer.mean = d["mean"].cast<std::vector<float>>();
      layer.std = d["std"].cast<std::vector<float>>();
      if (layer.mean.size() != layer.std.size()) {
        refuse("normalize", "as many deviations as means", std::to_string(layer.std.size()));
      }
      break;
    case LayerKind::Dropout:
      layer.dropout = d["p"].cast<double>();
      if (!(layer.dropout >= 0.0 && layer.dropout <= 1.0))
        refuse("dropout", "p in 0..1", std::to_string(layer.dropout));
      break;
    default:
      break;
  }
  return layer;
}

inline Spec spec_of(const py::list& layers, const py::tuple& input) {
  Spec spec;
  if (input.size() != 1 && input.size() != 3) {
    refuse("plan", "an input shape (C, H, W) or (features,)", std::string(py::str(input)));
  }
  spec.input.flat = input.size() == 1;
  spec.input.image.channels = input[0].cast<std::int64_t>();
  if (!spec.input.flat) {
    spec.input.image.height = input[1].cast<std::int64_t>();
    spec.input.image.width = input[2].cast<std::int64_t>();
  }
  for (const py::handle layer : layers) spec.layers.push_back(layer_of(layer.cast<py::dict>()));
  return spec;
}

inline Optimizer optimizer_of(const py::dict& d) {
  Optimizer optimizer;
  const auto kind = d["kind"].cast<std::string>();
  optimizer.weight_decay = d["weight_decay"].cast<double>();
  optimizer.step = d["step"].cast<std::int64_t>();
  if (kind == "sgd") {
    optimizer.momentum = d["momentum"].cast<double>();
    optimizer.dampening = d["dampening"].cast<double>();
    optimizer.nesterov = d["nesterov"].cast<bool>();
  } else if (kind == "adam") {
    optimizer.kind = OptimizerKind::Adam;
    optimizer.beta1 = d["beta1"].cast<double>();
    optimizer.beta2 = d["beta2"].cast<double>();
    optimizer.eps = d["eps"].cast<double>();
    optimizer.decay = d["decoupled"].cast<bool>() ? WeightDecay::Decoupled : WeightDecay::Coupled;
  } else {
    refuse("engine", "optimizer 'sgd' or 'adam'", "'" + kind + "'");
  }
  return optimizer;
}

// None is no augmentation; else shift, erase, mirror, and turns: None or (257, 2) cosines and sines.
inline std::optional<Augment> augment_of(const py::object& given, const Plan& plan) {
  if (given.is_none()) return std::nullopt;
  if (plan.input().flat) refuse("augment", "images of shape (C, H, W)", plan.input().text());
  const auto d = given.cast<py::dict>();
  Augment augment;
  augment.shift = d["shift"].cast<std::int32_t>();
  augment.erase = d["erase"].cast<std::int32_t>();
  if (d["flip"].cast<bool>()) augment.mirror = Mirror::Half;
  if (!d["turns"].is_none()) {
    const auto turns = d["turns"].cast<py::array>();
    const float* pairs = read("augment", "turns", turns);
    check_shape("augment", "turns", turns, {kTurns, 2});
    augment.rotation = Rotation::Table;
    for (int i = 0; i < kTurns; ++i) augment.turns[i] = {pairs[2 * i], pairs[2 * i + 1]};
  }
  return augment;
}

}  // namespace convlet::bindings
