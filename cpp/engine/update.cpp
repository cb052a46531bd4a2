#include "engine/update.h"

#include <algorithm>
#include <cmath>

#include "ops/tiles.h"

namespace convlet {

std::vector<Unit> units_of(const Plan& plan) {
  constexpr std::int64_t kWeights = 9600;  // of a unit: some 10 us of a dense layer's product over 256 images
  struct Costed {
    Unit unit;
    std::int64_t cost;
  };
  std::vector<Costed> units;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    if (!stage.parameters()) continue;
    const bool dense = stage.layer.kind == LayerKind::Linear;
    const std::int64_t outputs = stage.out.image.channels, row = stage.weights / outputs;
    // Whole blocks of 24 outputs, so that two threads seldom pack into one cache line.
    const std::int64_t rows = round_up(std::max<std::int64_t>(1, kWeights / std::max<std::int64_t>(1, row)), 24);
    for (std::int64_t o = 0; o < outputs; o += rows) {
      const std::int64_t last = std::min(outputs, o + rows);
      units.push_back({{i, o, last}, (last - o) * row * (dense ? 16 : 1)});
    }
  }
  std::stable_sort(units.begin(), units.end(), [](const Costed& a, const Costed& b) { return a.cost > b.cost; });
  std::vector<Unit> sorted;
  for (const Costed& costed : units) sorted.push_back(costed.unit);
  return sorted;
}

void sum_gradients(const Kernels& k, const Plan& plan, const Unit& unit, Stash& stash, std::int64_t images,
                   float* gradients) {
  const Stage& stage = plan.stages[unit.stage];
  const std::int64_t row = stage.weights / stage.out.image.channels, outputs = unit.last - unit.first;
  const std::int64_t tiles = tiles_of(images);
  float* dw = gradients + stage.parameter + unit.first * row;
  std::int64_t bias_slot = stage.slot;
  if (stage.layer.kind == LayerKind::Linear) {
    const std::int64_t all = stage.layer.linear.outputs;
    k.outer_product(stash.slopes(unit.stage) + unit.first * kTile, all * kTile, stash.inputs(unit.stage),
                    Stash::row(stage), images, outputs, row, Store::Overwrite, dw);
  } else {
    sum_slots(k, stash.slot(0) + stage.slot + unit.first * row, tiles, plan.slot_size, outputs * row, dw);
    bias_slot += stage.weights;
  }
  if (stage.biases) {
    sum_slots(k, stash.slot(0) + bias_slot + unit.first, tiles, plan.slot_size, outputs,
              gradients + stage.bias() + unit.first);
  }
}

Update::Update(const Optimizer& o, double lr, std::int64_t done) : kind_(o.kind) {
  const auto narrow = [](double v) { return static_cast<float>(v); };
  if (kind_ == OptimizerKind::Sgd) {
    sgd_.lr = narrow(lr);
    sgd_.momentum = narrow(o.momentum);
    sgd_.fresh = narrow(1.0 - o.dampening);
    sgd_.weight_decay = narrow(o.weight_decay);
    sgd_.mode = o.momentum == 0 ? Momentum::None : o.nesterov ? Momentum::Nesterov : Momentum::Classic;
    sgd_.buffer = done == 0 ? BufferState::Fresh : BufferState::Carried;
  } else {
    const auto t = static_cast<double>(done + 1);
    adam_.fresh1 = narrow(1.0 - o.beta1);
    adam_.beta2 = narrow(o.beta2);
    adam_.fresh2 = narrow(1.0 - o.beta2);
    adam_.eps = narrow(o.eps);
    adam_.weight_decay = narrow(o.weight_decay);
    adam_.lr = narrow(lr / (1.0 - std::pow(o.beta1, t)));
    adam_.correction_root = narrow(std::sqrt(1.0 - std::pow(o.beta2, t)));
    adam_.keep = narrow(1.0 - lr * o.weight_decay);
    adam_.decay = o.decay;
  }
}

void Update::apply(const Kernels& k, const Plan& plan, const Unit& unit, const float* gradients, float* parameters,
                   float* state) const {
  const Stage& stage = plan.stages[unit.stage];
  const std::int64_t row = stage.weights / stage.out.image.channels;
  const auto range = [&](std::int64_t at, std::int64_t count) {
    float* first = state ? state + at : nullptr;
    float* second = kind_ == OptimizerKind::Adam ? state + plan.parameters + at : nullptr;
    apply(k, gradients + at, count, parameters + at, first, second);
  };
  range(stage.parameter + unit.first * row, (unit.last - unit.first) * row);
  if (stage.biases) range(stage.bias() + unit.first, unit.last - unit.first);
}

void Update::apply(const Kernels& k, const float* gradient, std::int64_t count, float* parameter, float* first,
                   float* second) const {
  if (kind_ == OptimizerKind::Adam) {
    k.adam(adam_, gradient, count, parameter, first, second);
  } else {
    k.sgd(sgd_, gradient, count, parameter, first);
  }
}

}  // namespace convlet
