// dropout: y[i] = x[i] / (1 - p) with probability 1 - p, else 0. Nothing is stored: the gradient draws the same mask.
//
// Element i of an image, counted in C x H x W, has word i of its layer, step and place in the batch (philox.h), and is
// kept if the upper 24 bits of the word are at least p 2^24.
//
// Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014,
// with the scale at training, as PyTorch has it.
#pragma once

#include <cstdint>

#include "convlet/philox.h"

namespace convlet {

struct Dropout {
  std::uint32_t threshold = 0;  // p 2^24
  float scale = 1.0f;           // 1 / (1 - p); 0 where everything is dropped
  std::uint32_t layer = 0;      // index among the layers of the network
};

CONVLET_ANYWHERE Dropout dropout_of(double p, std::int64_t layer) {
  return {static_cast<std::uint32_t>(p * 0x1p24 + 0.5), p < 1.0 ? static_cast<float>(1.0 / (1.0 - p)) : 0.0f,
          static_cast<std::uint32_t>(layer)};
}

CONVLET_ANYWHERE float dropped(const Dropout& op, std::uint32_t word, float x) {
  return (word >> 8) >= op.threshold ? x * op.scale : 0.0f;
}

}  // namespace convlet
