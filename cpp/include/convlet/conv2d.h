// conv2d: y[n][o][oh][ow] = b[o] + sum over c, kh, kw of w[o][c][kh][kw] x[n][c][oh s - p + kh d][ow s - p + kw d]
//
// x (N, C, H, W), w (O, C / groups, KH, KW), y (N, O, OH, OW). The convolution of deep learning is a
// cross-correlation: the kernel is not turned.
#pragma once

#include <algorithm>

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
  // Input channels that the weight gradient of a tile takes at a time: fours, whose pixels stay in L2 if they can.
  std::int64_t gradient_channels() const {
    constexpr std::int64_t kPixels = 8192;  // of 16 images: 512 KiB
    const std::int64_t fours = kPixels / (4 * in.height * std::max(in.width, padded_width()));
    const std::int64_t all = channels_of_group(), parts = ceil_div(all, 4 * std::max<std::int64_t>(1, fours));
    return std::min(all, round_up(ceil_div(all, parts), 4));
  }
  // What it needs room for, of 16 lanes each: partial sums of some output channels, and those pixels with their
  // padding.
  std::int64_t gradient_room() const {
    const std::int64_t pixels = padded_width() > in.width ? in.height * padded_width() : 0;
    return gradient_channels() * (kGradientBlock * kernel.height * kernel.width + pixels) + kGradientBlock;
  }
  std::int64_t multiply_adds() const { return out().plane() * weights(); }

 private:
  std::int64_t padded_width() const { return out().width + kernel.width - 1; }  // with a stride of 1
};

// Throws std::invalid_argument that names what was expected and what came.
void check(const Conv2d& op);

}  // namespace convlet
