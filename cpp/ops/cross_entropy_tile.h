// cross_entropy on one tile: labels as lanes, and the batch's sums in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "convlet/cross_entropy.h"
#include "convlet/tile.h"
#include "kernels/table.h"

namespace convlet {

struct TileLoss {
  double sum = 0.0;  // of the lanes, in order
  std::int64_t correct = 0;
};

// label_at(lane) for lanes 0 .. images - 1. losses (16) and dlogits may be null.
template <class LabelAt>
TileLoss cross_entropy_tile(const Kernels& k, const CrossEntropyLoss& loss, double divisor, const float* logits,
                            int images, LabelAt label_at, float* losses, float* dlogits) {
  CrossEntropy op{};
  op.classes = static_cast<std::int32_t>(loss.classes);
  op.weight = loss.weight;
  op.label_smoothing = loss.label_smoothing;
  op.scale = static_cast<float>(1.0 / divisor);
  std::int32_t labels[kTile];
  for (int n = 0; n < kTile; ++n) {
    labels[n] = n < images && loss.counts(label_at(n)) ? static_cast<std::int32_t>(label_at(n)) : -1;
  }
  float lanes[kTile];
  TileLoss result;
  result.correct = k.cross_entropy(op, logits, labels, lanes, dlogits);
  for (int n = 0; n < images; ++n) result.sum += static_cast<double>(lanes[n]);
  if (losses) std::copy(lanes, lanes + kTile, losses);
  return result;
}

}  // namespace convlet
