// conv2d on one image with 16 channels in the lanes of a vector: for batches that do not fill a tile of 16 images, and
// for layers of many channels. The same bits as Conv2dTile.
#pragma once

#include "convlet/axis.h"
#include "convlet/conv2d.h"
#include "kernels/table.h"

namespace convlet {

// One pass, forward or input gradient: from an image (C, H, W) to rows of another, in vectors of 16 channels.
class ChannelPass {
 public:
  ChannelPass(const Conv2d& op, const Image& from, const Image& to, Axis rows, Axis columns, const Kernels& kernels);

  std::int64_t weights() const { return correlation_.groups * correlation_.w_group; }  // packed, in floats
  std::int64_t scratch() const { return vectors() * band_rows_ * to_.width * kTile; }  // of a band, in floats
  std::int64_t bands() const { return ceil_div(to_.height, band_rows_); }

  // Rows of one band of the output: x (C, H, W), w packed, bias (O) or null, y (O, OH, OW).
  void run(std::int64_t band, const float* x, const float* w, const float* bias, float* scratch, float* y) const;

  std::int64_t group_vectors() const { return correlation_.out_channels; }
  std::int64_t group_stride() const { return correlation_.w_group; }
  std::int64_t vector_stride() const { return correlation_.w_vector; }

 private:
  std::int64_t vectors() const { return std::int64_t{correlation_.groups} * correlation_.out_channels; }

  Image to_;
  const Kernels* kernels_;
  Axis rows_, columns_;
  Correlation correlation_{};
  std::int64_t band_rows_ = 1;
};

class Conv2dChannels {
 public:
  Conv2dChannels(const Conv2d& op, const Kernels& kernels);

  const ChannelPass& forward() const { return forward_; }
  const ChannelPass& backward() const { return backward_; }

  // From (O, C, KH, KW), all weights at once.
  void pack_forward(const float* w, float* packed) const;
  void pack_backward(const float* w, float* packed) const;

 private:
  Conv2d op_;
  const Kernels* kernels_;
  ChannelPass forward_, backward_;
};

}  // namespace convlet
