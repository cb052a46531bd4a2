// Softmax and cross-entropy on the device against the CPU's, bit by bit.
#include <algorithm>

#include "compare.h"
#include "cuda/ops.h"
#include "ops/ops.h"

using namespace convlet;

namespace check {
namespace {

// (outer, classes, inner) as rows of classes, and back.
enum class Way { ToRows, FromRows };
Floats transposed(const Floats& values, const cuda::Classes& s, Way way) {
  Floats result(values.size());
  for (std::int64_t o = 0, i = 0; o < s.outer; ++o) {
    for (std::int64_t k = 0; k < s.classes; ++k) {
      for (std::int64_t n = 0; n < s.inner; ++n, ++i) {
        const auto row = static_cast<std::size_t>((o * s.inner + n) * s.classes + k), at = static_cast<std::size_t>(i);
        if (way == Way::ToRows) {
          result[row] = values[at];
        } else {
          result[at] = values[row];
        }
      }
    }
  }
  return result;
}

std::string name_of(const cuda::Classes& s) {
  return " of (" + std::to_string(s.outer) + ", " + std::to_string(s.classes) + ", " + std::to_string(s.inner) + ")";
}

void check_softmax(const cuda::Classes& s, const Floats& x) {
  const std::int64_t rows = s.outer * s.inner;
  const Floats slopes = numbers(static_cast<std::int64_t>(x.size()), Numbers::Real, 1.0f);
  const Floats x_rows = transposed(x, s, Way::ToRows), slope_rows = transposed(slopes, s, Way::ToRows);
  const auto check = [&](const std::string& name, auto forward, auto backward, auto device_forward,
                         auto device_backward) {
    Floats y(x.size()), dx(x.size());
    forward(rows, s.classes, x_rows.data(), y.data());
    backward(rows, s.classes, slope_rows.data(), y.data(), dx.data());
    const DeviceFloats x_device(x), slopes_device(slopes), y_device(x.size()), dx_device(x.size());
    device_forward(cuda::stream(), s, x_device, y_device);
    expect_bits(name, y_device.host(), transposed(y, s, Way::FromRows));
    device_backward(cuda::stream(), s, slopes_device, y_device, dx_device);
    expect_bits(name + ", dx", dx_device.host(), transposed(dx, s, Way::FromRows));
    device_forward(cuda::stream(), s, x_device, x_device);
    expect_bits(name + " in place", x_device.host(), transposed(y, s, Way::FromRows));
  };
  check("softmax" + name_of(s), ops::softmax, ops::softmax_backward, cuda::softmax, cuda::softmax_backward);
  check("log_softmax" + name_of(s), ops::log_softmax, ops::log_softmax_backward, cuda::log_softmax,
        cuda::log_softmax_backward);
}

std::int64_t right_answers(const Floats& rows, const Ints& targets, const CrossEntropyLoss& loss) {
  const std::int64_t classes = loss.classes;
  std::int64_t right = 0;
  for (std::size_t n = 0; n < targets.size(); ++n) {
    const float* row = rows.data() + static_cast<std::int64_t>(n) * classes;
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < classes; ++k) {
      if (row[k] > row[best]) best = k;
    }
    right += loss.counts(targets[n]) && best == targets[n];
  }
  return right;
}

void check_cross_entropy(const cuda::Classes& s, const CrossEntropyLoss& options, const Floats& weights) {
  const std::string name = "cross_entropy" + name_of(s);
  const std::int64_t rows = s.outer * s.inner;
  const Floats x = numbers(rows * s.classes, Numbers::Real, 8.0f), x_rows = transposed(x, s, Way::ToRows);
  Ints targets(static_cast<std::size_t>(rows));
  for (std::size_t n = 0; n < targets.size(); ++n) {
    targets[n] = n % 5 == 4 ? options.ignore_index : static_cast<std::int64_t>(random_bits()) % s.classes;
    if (n % 3 == 1) {  // some right answers
      const float* row = x_rows.data() + static_cast<std::int64_t>(n) * s.classes;
      targets[n] = std::max_element(row, row + s.classes) - row;
    }
  }
  CrossEntropyLoss loss = options;
  loss.classes = s.classes;
  loss.weight = weights.empty() ? nullptr : weights.data();
  Floats losses(targets.size()), dlogits(x.size()), total(1);
  CrossEntropyLoss each = loss;
  each.reduction = Reduction::None;
  ops::cross_entropy(each, rows, x_rows.data(), targets.data(), losses.data());
  ops::cross_entropy_backward(loss, rows, x_rows.data(), targets.data(), dlogits.data());
  double sum = 0.0;
  for (const float value : losses) sum += static_cast<double>(value);

  const DeviceFloats x_device(x), weights_device(weights), losses_device(losses.size()), dlogits_device(x.size());
  const DeviceInts targets_device(targets);
  const Array<double> divisor(1), sums(2);
  if (loss.weight) loss.weight = weights_device;
  cuda::cross_entropy(cuda::stream(), loss, s, x_device, targets_device,
                      {losses_device, dlogits_device, divisor, sums});
  expect_bits(name + ", losses", losses_device.host(), losses);
  expect_bits(name + ", dlogits", dlogits_device.host(), transposed(dlogits, s, Way::FromRows));
  const double off = std::fabs(sums.host()[0] - sum);
  if (!(off <= 1e-13 * std::fabs(sum))) fail(name, "another sum of losses");
  if (sums.host()[1] != static_cast<double>(right_answers(x_rows, targets, loss))) {
    fail(name, "another number of right answers");
  }
  if (loss.weight) loss.weight = weights.data();
  const double known = loss.divisor(rows, [&](std::int64_t n) { return targets[static_cast<std::size_t>(n)]; });
  if (!(std::fabs(divisor.host()[0] - known) <= 1e-13 * known)) fail(name, "another divisor");
  const DeviceFloats alone(losses.size());
  cuda::cross_entropy(cuda::stream(), loss.weight ? CrossEntropyLoss{} : loss, s, x_device, targets_device,
                      {alone, nullptr, divisor, sums});
  if (!loss.weight) expect_bits(name + ", without gradient", alone.host(), losses);
}

void check_bad_targets() {
  CrossEntropyLoss loss;
  loss.classes = 10;
  const DeviceInts bad(1);
  const auto expect = [&](Ints targets, std::int64_t position) {
    const DeviceInts device(targets);
    cuda::find_bad_target(cuda::stream(), loss, static_cast<std::int64_t>(targets.size()), device, bad);
    if (bad.host()[0] != position) fail("find_bad_target", "position " + std::to_string(bad.host()[0]));
  };
  Ints targets(1000, 9);
  targets[3] = -100;
  expect(targets, -1);
  expect({}, -1);
  targets[997] = 10;
  expect(targets, 997);
  targets[412] = -1;
  expect(targets, 412);
}

}  // namespace

void softmax() {
  for (const cuda::Classes& s :
       {cuda::Classes{5, 10, 1}, cuda::Classes{3, 33, 1}, cuda::Classes{2, 1000, 1}, cuda::Classes{1, 8200, 1},
        cuda::Classes{2, 7, 5}, cuda::Classes{1, 40, 9}, cuda::Classes{4, 1, 1}, cuda::Classes{0, 10, 1},
        cuda::Classes{130, 64, 1}, cuda::Classes{1, 8200, 2}}) {
    check_softmax(s, numbers(s.outer * s.classes * s.inner, Numbers::Real, 20.0f));
  }
  for (const std::int64_t classes : {9, 70}) {
    Floats x = numbers(3 * classes, Numbers::Whole, 1.0f);
    for (std::size_t i = 0; i < x.size(); i += 4) x[i] = i % 3 ? -0.0f : -INFINITY;
    x.back() = std::nanf("");
    check_softmax({3, classes, 1}, x);
    Floats zeros(static_cast<std::size_t>(classes), -1000.0f);
    zeros[5] = -0.0f;
    zeros[7] = 0.0f;
    check_softmax({1, classes, 1}, zeros);
  }
}

void cross_entropy() {
  for (const cuda::Classes& s :
       {cuda::Classes{40, 10, 1}, cuda::Classes{37, 70, 1}, cuda::Classes{3, 5, 7}, cuda::Classes{2, 40, 3},
        cuda::Classes{0, 10, 1}, cuda::Classes{1, 1, 1}, cuda::Classes{1030, 3, 1}}) {
    for (const Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
      CrossEntropyLoss loss;
      loss.reduction = reduction;
      check_cross_entropy(s, loss, {});
      loss.label_smoothing = 0.1f;
      loss.ignore_index = 0;
      check_cross_entropy(s, loss, {});
      Floats weights = numbers(s.classes, Numbers::Real, 1.0f);
      for (float& weight : weights) weight = std::fabs(weight) + 0.25f;
      check_cross_entropy(s, loss, weights);
    }
  }
  check_bad_targets();
}

}  // namespace check
