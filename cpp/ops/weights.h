// Weights as a correlation reads them: (O, C, KH, KW) with the channels that are computed together side by side.
#pragma once

#include "convlet/conv2d.h"
#include "kernels/table.h"

namespace convlet {

enum class Direction { Forward, Backward };  // from inputs to outputs, or from output gradients to input gradients

// Packs the weights of output channels o0 .. o1 - 1 for each group: forward (O/M, C, KH, KW, M), backward
// (C/M, O, KH, KW, M), where M is `c.block` and the strides are the correlation's.
void pack_weights(const Conv2d& op, Direction direction, const Correlation& c, std::int64_t o0, std::int64_t o1,
                  const float* w, float* packed);

// As pack_weights for all output channels, for M = 16 and vectors w_vector apart.
void pack_vectors(const Conv2d& op, Direction direction, const Correlation& c, const Kernels& kernels, const float* w,
                  float* packed);

}  // namespace convlet
