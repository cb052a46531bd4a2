// A loss as the engine and the op take it, from Python's arguments.
#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "convlet/cross_entropy.h"

namespace convlet::bindings {

inline Reduction reduction_of(const std::string& name) {
  if (name == "mean") return Reduction::Mean;
  if (name == "sum") return Reduction::Sum;
  if (name == "none") return Reduction::None;
  refuse("cross_entropy", "reduction of 'mean', 'sum' or 'none'", "'" + name + "'");
}

// The weight array must outlive the loss.
inline CrossEntropyLoss loss_of(std::int64_t classes, const std::optional<Operand>& weight, std::int64_t ignore_index,
                                const std::string& reduction, double label_smoothing) {
  CrossEntropyLoss loss;
  loss.classes = classes;
  loss.ignore_index = ignore_index;
  loss.label_smoothing = static_cast<float>(label_smoothing);
  loss.reduction = reduction_of(reduction);
  if (classes < 1) refuse("cross_entropy", "at least one class", std::to_string(classes));
  if (!(label_smoothing >= 0.0 && label_smoothing <= 1.0)) {
    refuse("cross_entropy", "label_smoothing in 0..1", std::to_string(label_smoothing));
  }
  if (weight) {
    loss.weight = read("cross_entropy", "weight", *weight);
    check_shape("cross_entropy", "weight", *weight, {classes}, ", one value a class");
  }
  return loss;
}

}  // namespace convlet::bindings
