// cross_entropy of class indices under softmax, with PyTorch's options.
//
//   loss_n = (1 - s) w_y (-ln p_y) + s / K sum over k of w_k (-ln p_k),  p = softmax(logits_n), y = label_n
//
// The mean divides by the sum of w_y over the labels that count.
#pragma once

#include <cstdint>

#include "convlet/modes.h"

namespace convlet {

struct CrossEntropyLoss {
  std::int64_t classes = 1;
  const float* weight = nullptr;  // of the classes, or null for ones
  std::int64_t ignore_index = -100;
  float label_smoothing = 0.0f;
  Reduction reduction = Reduction::Mean;

  bool counts(std::int64_t label) const { return label != ignore_index; }
  float weight_of(std::int64_t label) const { return weight ? weight[label] : 1.0f; }

  // The divisor of the batch's loss: the sum of the weights of its labels for a mean, otherwise 1.
  template <class LabelAt>
  double divisor(std::int64_t count, LabelAt label_at) const {
    if (reduction != Reduction::Mean) return 1.0;
    double sum = 0.0;
    for (std::int64_t n = 0; n < count; ++n)
      sum += counts(label_at(n)) ? static_cast<double>(weight_of(label_at(n))) : 0.0;
    return sum;
  }
};

// Throws std::invalid_argument at a label that is neither a class nor ignored.
void check_labels(const CrossEntropyLoss& loss, const std::int64_t* labels, std::int64_t count);

}  // namespace convlet
