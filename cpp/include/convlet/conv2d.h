// conv2d: y[n][o][oh][ow] = b[o] + sum over c, kh, kw of w[o][c][kh][kw] x[n][c][oh s - p + kh d][ow s - p + kw d]
//
// x (N, C, H, W), w (O, C / groups, KH, KW), y (N, O, OH, OW). The convolution of deep learning is a
// cross-correlation: the kernel is not turned.
#pragma once

#include "convlet/shapes.h"
#include "convlet/tile.h"

namespace convlet {

struct Conv2d {
  Image in;
  std::int64_t out_channels = 1;
  Pair kernel, stride, dilation;
  Padding padding;
  std::int64_t groups = 1;

  Image out() const {
    return {out_channels,
            conv_output(in.height, padding.top, padding.bottom, kernel.height, dilation.height, stride.height),
            conv_output(in.width, padding.left, padding.right, kernel.width, dilation.width, stride.width)};
  }
  std::int64_t channels_of_group() const { return in.channels / groups; }
  std::int64_t weights() const { return out_channels * channels_of_group() * kernel.height * kernel.width; }
  // Partial sums that a weight gradient keeps, each of 16 lanes.
  std::int64_t gradient_sums() const {
    return kGradientBlock * (channels_of_group() * kernel.height * kernel.width + 1);
  }
  std::int64_t multiply_adds() const { return out().plane() * weights(); }
};

// Throws std::invalid_argument that names what was expected and what came.
void check(const Conv2d& op);

}  // namespace convlet
