// The choice of block sizes for a correlation, by a small model of a core.
#pragma once

#include <cstdint>

#include "convlet/axis.h"
#include "convlet/conv2d.h"
#include "kernels/table.h"

namespace convlet {

// Blocks of the best size, and the clocks in which they bring one input channel into all outputs.
struct Blocks {
  int size = 1;
  double clocks = 0;
};

// Output channels to compute together, for outputs cut into these spans.
Blocks choose_block(const Kernels& kernels, std::int64_t out_channels, const Axis& rows, const Axis& columns);

// Output rows to compute for all output channels, so that the input rows they share stay in a core's L2.
int choose_band(std::int64_t in_channels, std::int64_t width, std::int64_t row_step);

// Vectors of 16 output channels to compute together, where channels are in the lanes.
Blocks choose_vectors(const Kernels& kernels, std::int64_t vectors, const Axis& rows, const Axis& columns);

// Cuts the chains of a correlation every few channels, or, where one channel has more taps than a chain may, every few
// kernel rows, and a row that is longer still after every kChain columns.
void cut_chains(const Conv2d& op, Correlation& correlation);

}  // namespace convlet
