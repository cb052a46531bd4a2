// linear on one tile of 16 images, as a correlation over 1x1 images.
#pragma once

#include "convlet/linear.h"
#include "convlet/tile.h"
#include "kernels/table.h"

namespace convlet {

class LinearTile {
 public:
  LinearTile(const Linear& op, const Kernels& kernels);

  const Linear& op() const { return op_; }
  int forward_block() const { return forward_.block; }
  int backward_block() const { return backward_.block; }

  // Floats that the packed weights take.
  std::int64_t forward_weights() const { return round_up(op_.outputs, forward_.block) * op_.inputs; }
  std::int64_t backward_weights() const { return op_.outputs * round_up(op_.inputs, backward_.block); }

  // Packs rows o0 .. o1 - 1 of the weight (O, I) for either pass.
  void pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;
  void pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;

  // bias may be null; y has gone through the activation.
  void forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const;
  void input_gradient(const float* dy, const float* packed, float* dx) const;

 private:
  Linear op_;
  const Kernels* kernels_;
  Span point_{0, 1, 1, 0, 1, 1, 0};
  Correlation forward_{}, backward_{};
};

}  // namespace convlet
