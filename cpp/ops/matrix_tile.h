// conv2d on one tile of 16 images with bf16 products, and linear as a convolution over 1x1 images: how planes become
// cells, the packing of the weights, the three passes.
#pragma once

#include <cstdint>
#include <vector>

#include "convlet/conv2d.h"
#include "convlet/linear.h"
#include "kernels/table.h"

namespace convlet {

class MatrixTile {
 public:
  MatrixTile(const Conv2d& op, const MatrixKernels& kernels);

  // Steps of 1 without groups, kernels no wider than a tile has rows.
  static bool suits(const Conv2d& op);
  static Conv2d convolution(const Linear& op);

  // Floats that the packed weights take, which begin as zeros.
  std::int64_t forward_weights() const { return forward_.weights(); }
  std::int64_t backward_weights() const { return backward_.weights(); }

  // Packs the weights of output channels o0 .. o1 - 1 from (O, C, KH, KW) for either pass.
  void pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;
  void pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;

  // As those of Conv2dTile.
  void forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const;
  void input_gradient(const float* dy, const float* packed, float* dx) const;
  void weight_gradient(int images, const float* dy, const float* x, float* dw, float* db) const;

 private:
  struct Pass {
    CellPlan cells{};
    CellCorrelation correlation{};

    std::int64_t pairs() const { return (cells.channels * cells.folded + 1) / 2; }
    std::int64_t pieces() const { return (correlation.run_cells + 15) / 16; }
    std::int64_t chunks() const { return ceil_div(correlation.out_channels, correlation.chunk); }
    std::int64_t weights() const;
    // A weight to channel `to` from channel `from`, row and column of the kernel, lies at the sum of both, in values of
    // bf16.
    std::int64_t place(std::int64_t to) const;
    std::int64_t place(std::int64_t from, std::int64_t row, std::int64_t column) const;
  };
  Pass pass(const Image& from, const Image& to, std::int64_t top, std::int64_t left) const;
  const std::uint16_t* rounded(const float* w, std::int64_t o) const;
  void run(const Pass& pass, const float* x, const float* packed, const float* bias, Activation after, float* y) const;

  Conv2d op_;
  const MatrixKernels* kernels_;
  Pass forward_, backward_;
  std::vector<std::int64_t> forward_from_, backward_to_;  // those places, of the weights of one output channel
  CellWeightGradient gradient_{};
};

}  // namespace convlet
