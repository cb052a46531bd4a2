// The second phase of a step: gradients from what the tiles left, and the update.
#pragma once

#include <cstdint>
#include <vector>

#include "convlet/optimizer.h"
#include "convlet/plan.h"
#include "engine/network.h"

namespace convlet {

struct Unit {  // output channels first .. last - 1 of one stage: one thread's piece of the update
  std::size_t stage;
  std::int64_t first, last;
};

// Costly units first, so that the threads end together.
std::vector<Unit> units_of(const Plan& plan);

// Writes the gradients of a unit's weights and biases at their place in `gradients` (parameters).
void sum_gradients(const Kernels& k, const Plan& plan, const Unit& unit, Stash& stash, std::int64_t images,
                   float* gradients);

class Update {
 public:
  // The update after `done` others.
  Update(const Optimizer& optimizer, double lr, std::int64_t done);

  // state (state_arrays, parameters)
  void apply(const Kernels& k, const Plan& plan, const Unit& unit, const float* gradients, float* parameters,
             float* state) const;

  // The same on any array; `second` is Adam's v.
  void apply(const Kernels& k, const float* gradient, std::int64_t count, float* parameter, float* first,
             float* second) const;

 private:
  OptimizerKind kind_;
  SgdStep sgd_{};
  AdamStep adam_{};
};

}  // namespace convlet
