// conv2d on one tile of 16 images: the plan of its spans and blocks, the packing of its weights, its three passes.
#pragma once

#include "convlet/axis.h"
#include "convlet/conv2d.h"
#include "kernels/table.h"

namespace convlet {

class Conv2dTile {
 public:
  Conv2dTile(const Conv2d& op, const Kernels& kernels);

  const Conv2d& op() const { return op_; }
  // What a pass takes by the model of blocking.h, with the way from images into tiles and back; dy may be there
  // already.
  double forward_clocks() const { return forward_clocks_ + kIn * floats(op_.in) + kOut * floats(op_.out()); }
  double backward_clocks(bool dy_there) const {
    return backward_clocks_ + (dy_there ? 0 : kIn * floats(op_.out())) + kOut * floats(op_.in);
  }

  int forward_block() const { return forward_.block; }
  int backward_block() const { return backward_.block; }

  // Floats that the packed weights take.
  std::int64_t forward_weights() const { return op_.groups * forward_.w_group; }
  std::int64_t backward_weights() const { return op_.groups * backward_.w_group; }

  // Packs the weights of output channels o0 .. o1 - 1 (any range) from (O, C, KH, KW) for either pass.
  void pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;
  void pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const;

  // bias may be null; y has gone through the activation.
  void forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const;
  void input_gradient(const float* dy, const float* packed, float* dx) const;
  // Sums over the images of the tile: dw (O, C, KH, KW), db (O, or null), both overwritten; `room` is for
  // op().gradient_room() tiles' pixels.
  void weight_gradient(int images, const float* dy, const float* x, float* room, float* dw, float* db) const;

 private:
  void correlate(const Correlation& c, const float* x, const float* packed, const float* bias, float* y) const;

  static constexpr double kIn = 12, kOut = 10;  // clocks of 16 values
  static double floats(const Image& image) { return static_cast<double>(image.size()); }

  Conv2d op_;
  const Kernels* kernels_;
  Axis rows_, columns_, back_rows_, back_columns_;
  Correlation forward_{}, backward_{};
  double forward_clocks_ = 0, backward_clocks_ = 0;
  WeightGradient gradient_{};
};

}  // namespace convlet
