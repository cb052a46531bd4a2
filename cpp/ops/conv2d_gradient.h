// Weight and bias gradient of conv2d image by image, with 16 output channels in the lanes of a vector.
#pragma once

#include <optional>

#include "convlet/conv2d.h"
#include "kernels/table.h"

namespace convlet {

// What the kernels are told of a layer whose pixels of x are so many floats apart.
WeightGradient weight_gradient_of(const Conv2d& op, std::int64_t pixel);

class Conv2dGradient {
 public:
  Conv2dGradient(const Conv2d& op, const Kernels& kernels);

  // Pieces of work: each is some vectors of output channels by some input channels, over all images.
  std::int64_t pieces() const { return op_.groups * vector_parts_ * channel_parts_; }

  // Writes its part of dw (O, C, KH, KW), and one piece of each vector that of db (O). Images are added as Conv2dTile
  // adds them, as a tree over the 16 of a tile and the tiles in order, to the same bits.
  void run(std::int64_t piece, std::int64_t images, const float* dy, const float* x, float* dw, float* db) const;

 private:
  const float* tall_image(const float* x, std::int64_t channels) const;

  Conv2d op_;
  const Kernels* kernels_;
  WeightGradient gradient_;
  std::optional<WeightGradient> tall_;  // for images with rows of zeros in place of the padding, while dy is finite
  std::int64_t vector_parts_, channel_parts_;
};

}  // namespace convlet
