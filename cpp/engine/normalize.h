// Normalization of all channels of a stage, of a tile or of one image.
#pragma once

#include "convlet/plan.h"
#include "kernels/table.h"

namespace convlet {

// `lanes`: images side by side.
inline void normalize(const Kernels& k, const Stage& stage, std::int64_t lanes, const float* x, float* y) {
  const std::int64_t size = stage.out.image.plane() * lanes;
  for (std::int64_t c = 0; c < stage.out.image.channels; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    k.normalize(x + c * size, size, stage.layer.mean[channel], stage.layer.std[channel], y + c * size);
  }
}

}  // namespace convlet
