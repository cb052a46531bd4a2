#include "convlet/plan.h"

#include <algorithm>
#include <stdexcept>

#include "convlet/philox.h"
#include "convlet/tile.h"

namespace convlet {
namespace {

bool is_activation(LayerKind kind) { return activation_of(kind) != Activation::None; }

// Its backward pass needs neither its input nor its output.
bool is_forgetful(LayerKind kind) { return kind == LayerKind::Normalize || kind == LayerKind::Dropout; }

// Its output has the shape of its input, and the backward pass reads no other value than it writes.
bool is_elementwise(LayerKind kind) {
  return is_activation(kind) || kind == LayerKind::Softmax || kind == LayerKind::LogSoftmax || is_alias(kind) ||
         is_forgetful(kind);
}

bool is_pooling(LayerKind kind) { return kind == LayerKind::MaxPool2d || kind == LayerKind::AvgPool2d; }

// Its backward pass needs neither its output nor anything else that an in-place activation would overwrite.
bool output_is_free(LayerKind kind) {
  return kind == LayerKind::Conv2d || kind == LayerKind::Linear || is_pooling(kind) || is_forgetful(kind);
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
  if (stage.layer.whole_image) {
    stage.layer.pool.kernel = stage.layer.pool.stride = {stage.in.image.height, stage.in.image.width};
  }
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

void plan_normalize(std::size_t index, Stage& stage) {
  const auto channels = static_cast<std::int64_t>(stage.layer.mean.size());
  if (stage.in.flat || stage.in.image.channels != channels) {
    refuse(index, "normalize", "an input of shape (" + std::to_string(channels) + ", H, W) to match mean and std",
           stage.in.text());
  }
  stage.out = stage.in;
}

void plan_dropout(std::size_t index, Stage& stage) {
  if (index >= kDropoutLayers) {
    refuse(index, "dropout", "a place among the first " + std::to_string(kDropoutLayers) + " layers", "a later one");
  }
  stage.out = stage.in;
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
    case LayerKind::Normalize:
      return plan_normalize(index, stage);
    case LayerKind::Dropout:
      return plan_dropout(index, stage);
    default:
      stage.out = stage.in;
  }
}

// The next free place of the arena.
class Claims {
 public:
  std::int64_t next(std::int64_t values) {
    const std::int64_t at = end_;
    end_ += values * kTile;
    return at;
  }
  std::int64_t end() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

// [input | outputs of stages and winners]: an activation computes in place where nobody misses what it overwrites.
void place_outputs(Plan& plan, Claims& claims) {
  const std::int64_t input = claims.next(plan.input().image.size());
  std::int64_t x = input;
  LayerKind producer = LayerKind::Softmax;  // of x: activations keep the input tile as it is
  for (Stage& stage : plan.stages) {
    const LayerKind kind = stage.layer.kind;
    const std::int64_t size = stage.out.image.size();
    stage.x = x;
    const bool in_place = is_alias(kind) || (is_activation(kind) && output_is_free(producer)) ||
                          (is_forgetful(kind) && (output_is_free(producer) || x == input));
    stage.y = in_place ? x : claims.next(size);
    if (kind == LayerKind::MaxPool2d) stage.winners = claims.next(size);
    if (!is_alias(kind)) producer = kind;
    x = stage.y;
  }
}

// [two gradients in turn | what a weight gradient needs room for]: what an activation's backward pass has read for the
// last time, its output, makes room for its gradient, so that a tile of LeNet takes 0.8 MB instead of 1.3 MB of the L2
// cache.
void place_gradients(Plan& plan, Claims& claims) {
  std::int64_t largest = plan.output().image.size(), room = 0;
  for (const Stage& stage : plan.stages) {
    if (stage.layer.kind == LayerKind::Conv2d) room = std::max(room, stage.layer.conv.gradient_room());
    const bool in_place =
        is_elementwise(stage.layer.kind) || (stage.through != Activation::None && stage.layer.pool.partitions());
    if (!in_place) largest = std::max(largest, stage.in.image.size());
  }
  const std::int64_t turns[2] = {claims.next(largest), claims.next(largest)};
  plan.slope = turns[0];
  plan.room = claims.next(room);
  std::int64_t dy = plan.slope;
  for (auto stage = plan.stages.rbegin(); stage != plan.stages.rend(); ++stage) {
    stage->dy = dy;
    if (is_alias(stage->layer.kind) || is_forgetful(stage->layer.kind) || stage->done_by_next) {
      stage->dx = dy;
    } else if (is_elementwise(stage->layer.kind)) {
      stage->dx = stage->y;
    } else if (stage->through != Activation::None && stage->layer.pool.partitions()) {
      stage->dx = stage->x;
    } else {
      stage->dx = dy == turns[0] ? turns[1] : turns[0];
    }
    dy = stage->dx;
  }
}

void place(Plan& plan) {
  Claims claims;
  place_outputs(plan, claims);
  place_gradients(plan, claims);
  plan.arena = claims.end();
}

// Activations join the layer that makes their input (forward) and the pooling that takes their output (backward).
void fuse(Plan& plan) {
  for (std::size_t i = 1; i < plan.stages.size(); ++i) {
    Stage &before = plan.stages[i - 1], &stage = plan.stages[i];
    if (is_activation(stage.layer.kind) && before.weights) {
      before.after = activation_of(stage.layer.kind);
      stage.done_by_previous = true;
    }
    if (is_pooling(stage.layer.kind) && is_activation(before.layer.kind)) {
      stage.through = activation_of(before.layer.kind);
      before.done_by_next = true;
    }
  }
}

}  // namespace

const char* name_of(LayerKind kind) {
  static constexpr const char* names[] = {"conv2d",   "max_pool2d", "avg_pool2d", "linear", "flatten",
                                          "identity", "normalize",  "dropout",    "relu",   "sigmoid",
                                          "tanh",     "softmax",    "log_softmax"};
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

bool is_alias(LayerKind kind) { return kind == LayerKind::Flatten || kind == LayerKind::Identity; }

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
  fuse(plan);
  place(plan);
  return plan;
}

}  // namespace convlet
