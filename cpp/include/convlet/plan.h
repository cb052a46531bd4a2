// A network ready to run: every stage with its shapes, its place among the parameters, and its place in the one
// allocation that holds a tile's activations. Plain data; engine/describe.h puts it in words.
#pragma once

#include <vector>

#include "convlet/modes.h"
#include "convlet/spec.h"

namespace convlet {

struct Stage {
  Layer layer;
  Shape in, out;
  std::int64_t weights = 0, biases = 0;     // counts
  std::int64_t parameter = 0;               // offset of the weight, then the bias, in the parameter buffer
  std::int64_t slot = -1;                   // offset in a tile's partial gradients: weight (conv2d only), then bias
  std::int64_t x = 0, y = 0, winners = -1;  // offsets in the arena, in floats, of input, output, a maximum's taps
  std::int64_t dy = 0, dx = 0;              // and of their gradients
  std::int64_t multiply_adds = 0;           // an image, forward
  // Passes that go on through a neighbour, whose own pass then has nothing left to do.
  Activation after = Activation::None;    // forward: a convolution or dense layer, through the activation after it
  bool done_by_previous = false;          // an activation that the layer before it computed
  Activation through = Activation::None;  // backward: a pooling, through the activation before it
  bool done_by_next = false;              // an activation whose gradient the pooling after it computed

  std::int64_t parameters() const { return weights + biases; }
  std::int64_t bias() const { return parameter + weights; }
};

struct Plan {
  Spec spec;
  std::vector<Stage> stages;
  std::int64_t parameters = 0;
  std::int64_t slot_size = 0;        // floats of one tile's partial gradients
  std::int64_t slope = 0, room = 0;  // offsets in the arena: gradient of the output, room for a weight gradient
  std::int64_t arena = 0;            // floats of one tile
  int first_trained = 0;             // the stage where the backward pass ends; -1: nothing to train

  const Shape& input() const { return spec.input; }
  const Shape& output() const { return stages.empty() ? spec.input : stages.back().out; }
  std::int64_t output_offset() const { return stages.empty() ? 0 : stages.back().y; }
};

// Throws std::invalid_argument where a layer does not fit the one before it.
Plan make_plan(const Spec& spec);

}  // namespace convlet
