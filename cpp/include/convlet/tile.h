// What kernels and planners share about a tile. Constants and plain structs only: every instruction set compiles it.
#pragma once

#include <cstdint>

namespace convlet {

// Images of a tile: the batch is the SIMD lane, so activations lie as [C][H][W][16 images].
constexpr int kTile = 16;

// Float32 chains of additions are cut about here, at places that depend on shapes alone: a single chain over
// 20 million ones would stop growing at 2^24.
constexpr int kChain = 8192;

// Output channels whose weight gradients are summed side by side, at most.
constexpr int kGradientBlock = 8;

// Outputs of one axis of a convolution that see the same kernel taps.
struct Span {
  std::int32_t out, out_step, outs;  // outputs out, out + out_step, ... (outs of them)
  std::int32_t tap, tap_step, taps;  // kernel taps tap, tap + tap_step, ... (taps of them, perhaps none)
  std::int32_t in;                   // the input that the first output meets at the first tap
};

}  // namespace convlet
