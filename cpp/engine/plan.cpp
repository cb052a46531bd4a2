#include "convlet/plan.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "convlet/tile.h"

namespace convlet {
namespace {

bool is_activation(LayerKind kind) { return activation_of(kind) != Activation::None; }

bool is_pooling(LayerKind kind) { return kind == LayerKind::MaxPool2d || kind == LayerKind::AvgPool2d; }

// Its backward pass needs neither its output nor anything else that an in-place activation would overwrite.
bool output_is_free(LayerKind kind) {
  return kind == LayerKind::Conv2d || kind == LayerKind::Linear || is_pooling(kind);
}

[[noreturn]] void refuse(std::size_t index, const char* op, const std::string& expected, const std::string& got) {
  throw std::invalid_argument(std::string(op) + " (layer " + std::to_string(index) + "): expected " + expected +
                              ", got " + got);
}

void plan_conv2d(std::size_t index, Stage& stage) {
  Layer& layer = stage.layer;
  if (stage.in.flat) refuse(index, "conv2d", "an input of shape (C, H, W)", stage.in.text());
  if (layer.expected_channels != stage.in.image.channels) {
    refuse(index, "conv2d",
           "an input of shape (" + std::to_string(layer.expected_channels) + ", H, W) to match in_channels",
           stage.in.text());
  }
  layer.conv.in = stage.in.image;
  check(layer.conv);
  stage.out = {layer.conv.out(), false};
  stage.weights = layer.conv.weights();
  stage.biases = layer.bias ? layer.conv.out_channels : 0;
  stage.multiply_adds = layer.conv.multiply_adds();
}

void plan_pool2d(std::size_t index, Stage& stage) {
  const char* name = name_of(stage.layer.kind);
  if (stage.in.flat) refuse(index, name, "an input of shape (C, H, W)", stage.in.text());
  stage.layer.pool.in = stage.in.image;
  check(stage.layer.pool, name);
  stage.out = {stage.layer.pool.out(), false};
}

void plan_linear(std::size_t index, Stage& stage) {
  const Linear& op = stage.layer.linear;
  check(op);
  if (!stage.in.flat || stage.in.image.channels != op.inputs) {
    refuse(index, "linear", "a flat input of shape (" + std::to_string(op.inputs) + ",) to match in_features",
           stage.in.text());
  }
  stage.out = {{op.outputs, 1, 1}, true};
  stage.weights = op.weights();
  stage.biases = stage.layer.bias ? op.outputs : 0;
  stage.multiply_adds = op.weights();
}

void plan_shapes(std::size_t index, Stage& stage) {
  switch (stage.layer.kind) {
    case LayerKind::Conv2d:
      return plan_conv2d(index, stage);
    case LayerKind::MaxPool2d:
    case LayerKind::AvgPool2d:
      return plan_pool2d(index, stage);
    case LayerKind::Linear:
      return plan_linear(index, stage);
    case LayerKind::Flatten:
      stage.out = {{stage.in.image.size(), 1, 1}, true};
      return;
    default:
      stage.out = stage.in;
  }
}

// Places in the arena: [input | outputs of stages | winners | two gradients | lanes of a weight gradient].
void place(Plan& plan) {
  std::int64_t end = round_up(plan.input().image.size() * kTile, kTile), largest = plan.input().image.size(), lanes = 0;
  std::int64_t x = 0;
  const auto claim = [&end](std::int64_t values) {
    const std::int64_t at = end;
    end += values * kTile;
    return at;
  };
  LayerKind producer = LayerKind::Softmax;  // of x: the input tile is kept as it is
  for (Stage& stage : plan.stages) {
    const LayerKind kind = stage.layer.kind;
    const std::int64_t size = stage.out.image.size();
    stage.x = x;
    const bool in_place = kind == LayerKind::Flatten || (is_activation(kind) && output_is_free(producer));
    stage.y = in_place ? x : claim(size);
    if (kind == LayerKind::MaxPool2d) stage.winners = claim(size);
    if (kind == LayerKind::Conv2d) lanes = std::max(lanes, stage.parameters());
    if (kind != LayerKind::Flatten) producer = kind;
    largest = std::max(largest, size);
    x = stage.y;
  }
  plan.gradient[0] = claim(largest);
  plan.gradient[1] = claim(largest);
  plan.lanes = claim(lanes);
  plan.arena = end;
}

}  // namespace

const char* name_of(LayerKind kind) {
  static constexpr const char* names[] = {"conv2d", "max_pool2d", "avg_pool2d", "linear",  "flatten",
                                          "relu",   "sigmoid",    "tanh",       "softmax", "log_softmax"};
  return names[static_cast<int>(kind)];
}

Activation activation_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::Relu:
      return Activation::Relu;
    case LayerKind::Sigmoid:
      return Activation::Sigmoid;
    case LayerKind::Tanh:
      return Activation::Tanh;
    default:
      return Activation::None;
  }
}

std::string Shape::text() const {
  if (flat) return "(" + std::to_string(image.channels) + ",)";
  return "(" + std::to_string(image.channels) + ", " + std::to_string(image.height) + ", " +
         std::to_string(image.width) + ")";
}

Plan make_plan(const Spec& spec) {
  const Image& in = spec.input.image;
  if (in.channels < 1 || in.height < 1 || in.width < 1) {
    throw std::invalid_argument("plan: expected an input of at least one value, got shape " + spec.input.text());
  }
  product("plan", product("plan", in.channels, in.height), product("plan", in.width, kTile));
  Plan plan;
  plan.spec = spec;
  plan.first_trained = -1;
  Shape shape = spec.input;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    Stage stage;
    stage.layer = spec.layers[i];
    stage.in = shape;
    plan_shapes(i, stage);
    shape = stage.out;
    stage.parameter = plan.parameters;
    plan.parameters += stage.parameters();
    if (stage.parameters()) {
      stage.slot = plan.slot_size;
      plan.slot_size += stage.layer.kind == LayerKind::Conv2d ? stage.parameters() : stage.biases;
      if (plan.first_trained < 0) plan.first_trained = static_cast<int>(i);
    }
    plan.stages.push_back(stage);
  }
  for (std::size_t i = 1; i < plan.stages.size(); ++i) {
    Stage& before = plan.stages[i - 1];
    if (!is_pooling(plan.stages[i].layer.kind) || !is_activation(before.layer.kind)) continue;
    plan.stages[i].through = activation_of(before.layer.kind);
    before.done_by_next = true;
  }
  place(plan);
  return plan;
}

std::string Plan::text() const {
  char line[160];
  std::string table;
  const auto row = [&](const char* a, const char* b, const char* c, const char* d, const char* e) {
    std::snprintf(line, sizeof line, "%-12s %-16s %10s %14s %12s\n", a, b, c, d, e);
    table += line;
  };
  std::int64_t multiply_adds = 0;
  row("layer", "output", "parameters", "multiply-adds", "tile bytes");
  row("input", input().text().c_str(), "", "", std::to_string(input().image.size() * kTile * 4).c_str());
  for (const Stage& stage : stages) {
    const bool in_place = stage.x == stage.y;
    row(name_of(stage.layer.kind), stage.out.text().c_str(), std::to_string(stage.parameters()).c_str(),
        std::to_string(stage.multiply_adds).c_str(),
        in_place ? "in place" : std::to_string(stage.out.image.size() * kTile * 4).c_str());
    multiply_adds += stage.multiply_adds;
  }
  row("total", "", std::to_string(parameters).c_str(), std::to_string(multiply_adds).c_str(),
      std::to_string(arena * 4).c_str());
  return table;
}

}  // namespace convlet
