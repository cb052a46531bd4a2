// What the engines of every device take from Python: a plan's parameters, images, labels, loss, an order; and how they
// listen to Python while they run.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/loss.h"
#include "convlet/plan.h"
#include "convlet/run.h"

namespace convlet::bindings {

// Checks signals, and calls `progress` between steps; keeps what either raised until the engine has come to rest.
class PythonWatch {
 public:
  explicit PythonWatch(py::object progress = py::none()) : progress_(std::move(progress)) {}

  Watch watch(std::function<void()> publish = nullptr) {
    return [this, publish](At at) {
      const Acquired acquired;
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (at == At::Step) {
          if (publish) publish();
          const auto now = std::chrono::steady_clock::now();
          if (!progress_.is_none() && now - called_ >= std::chrono::milliseconds(40)) {
            called_ = now;
            progress_();
          }
        }
        return false;
      } catch (...) {
        raised_ = std::current_exception();
        return true;
      }
    };
  }

  void rethrow() {
    if (raised_) std::rethrow_exception(std::exchange(raised_, nullptr));
  }

 private:
  py::object progress_;
  std::exception_ptr raised_;
  std::chrono::steady_clock::time_point called_ = std::chrono::steady_clock::now();
};

// The arguments of a run with one plan, checked.
class RunArguments {
 public:
  explicit RunArguments(const Plan& plan) : plan_(plan) {}

  const float* parameters(const py::array& parameters) const {
    const float* data = read(kOp, "parameters", parameters);
    check_shape(kOp, "parameters", parameters, {plan_.parameters});
    return data;
  }

  Images images(const Operand& images) const {
    const bool bytes = images.is_plain<std::uint8_t>();
    if (!bytes) check_type<float>(kOp, "images", images);
    const std::vector<std::int64_t> shape = batch_shape(images.ndim() ? images.shape(0) : 0, plan_.input());
    check_shape(kOp, "images", images, shape);
    return {images.data(), bytes, shape[0], plan_.input().image.size()};
  }

  Result<float> outputs(Place place, std::int64_t count) const { return {place, batch_shape(count, plan_.output())}; }

  static std::vector<std::int64_t> batch_shape(std::int64_t count, const Shape& shape) {
    std::vector<std::int64_t> sizes{count, shape.image.channels};
    if (!shape.flat) sizes.insert(sizes.end(), {shape.image.height, shape.image.width});
    return sizes;
  }

  CrossEntropyLoss loss(const py::dict& loss) const {
    const Shape& out = plan_.output();
    if (out.image.plane() != 1) {
      refuse("cross_entropy", "a network output of shape (classes,)", out.text());
    }
    const auto kind = loss["kind"].cast<std::string>();
    if (kind != "cross_entropy") refuse(kOp, "loss 'cross_entropy'", "'" + kind + "'");
    const auto reduction = loss["reduction"].cast<std::string>();
    if (reduction == "none") refuse("cross_entropy", "reduction 'mean' or 'sum' for training", "'none'");
    return loss_of(out.image.channels, loss["weight"].cast<std::optional<Operand>>(),
                   loss["ignore_index"].cast<std::int64_t>(), reduction, loss["label_smoothing"].cast<double>());
  }

  const std::int64_t* labels(const py::array& labels, std::int64_t count, const CrossEntropyLoss& loss) const {
    const std::int64_t* data = read<std::int64_t>(kOp, "labels", labels);
    check_shape(kOp, "labels", labels, {count}, ", one for each image");
    check_labels(loss, data, count);
    return data;
  }

  const std::int64_t* order(const py::array& order, std::int64_t images) const {
    const auto* data = read<std::int64_t>(kOp, "order", order, {"n"});
    for (std::int64_t n = 0; n < order.shape(0); ++n) {
      if (data[n] >= 0 && data[n] < images) continue;
      refuse(kOp, "an order of indices in 0.." + std::to_string(images - 1),
             std::to_string(data[n]) + " at position " + std::to_string(n));
    }
    return data;
  }

  // At least 1, and no more than there are images.
  static std::int64_t batch_size(std::int64_t batch_size, std::int64_t count) {
    if (batch_size < 1) refuse(kOp, "batch_size of at least 1", std::to_string(batch_size));
    return std::min(batch_size, std::max<std::int64_t>(1, count));
  }

  static const double* learning_rates(const py::array& rates, std::int64_t count, std::int64_t batch_size) {
    const double* data = read<double>(kOp, "learning_rates", rates, {"steps"});
    check_shape(kOp, "learning_rates", rates, {ceil_div(count, batch_size)}, ", one for each step");
    return data;
  }

  static void check_mean(const CrossEntropyLoss& loss, std::int64_t count) {
    if (count == 0 && loss.reduction == Reduction::Mean)
      refuse("cross_entropy", "at least one image for the mean", "0");
  }

  static constexpr const char* kOp = "engine";

 private:
  const Plan& plan_;
};

// Totals that Python sees grow: an array of steps, images, loss_sum, correct.
class LiveTotals {
 public:
  explicit LiveTotals(py::array& totals) : sums_(write<double>(RunArguments::kOp, "totals", totals)) {
    check_shape(RunArguments::kOp, "totals", totals, {4});
    values = {sums_[0], sums_[1], sums_[2], sums_[3]};
  }
  void publish() const {
    sums_[0] = values.steps;
    sums_[1] = values.images;
    sums_[2] = values.loss_sum;
    sums_[3] = values.correct;
  }
  Totals values;

 private:
  double* sums_;
};

}  // namespace convlet::bindings
