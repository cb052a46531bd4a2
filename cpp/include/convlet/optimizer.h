// What an update needs besides the gradient, with PyTorch's meaning.
#pragma once

#include <cstdint>

#include "convlet/modes.h"

namespace convlet {

enum class OptimizerKind { Sgd, Adam };

struct Optimizer {
  OptimizerKind kind = OptimizerKind::Sgd;
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  WeightDecay decay = WeightDecay::Coupled;
  std::int64_t step = 0;  // updates already done

  int state_arrays() const { return kind == OptimizerKind::Adam ? 2 : momentum != 0 ? 1 : 0; }
};

}  // namespace convlet
