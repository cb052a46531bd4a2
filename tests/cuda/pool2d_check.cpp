// Pooling on the device against the CPU's: forward and backward, bit by bit.
#include "compare.h"
#include "cuda/ops.h"
#include "ops/ops.h"

using namespace convlet;

namespace check {
namespace {

void check_pool2d(const Pool2d& op, std::int64_t images, const Floats& x) {
  const std::string name = "of " + std::to_string(images) + " images, kernel " + std::to_string(op.kernel.height) +
                           " x " + std::to_string(op.kernel.width) + ", stride " + std::to_string(op.stride.height) +
                           " x " + std::to_string(op.stride.width);
  const auto outs = static_cast<std::size_t>(images * op.out().size());
  const Floats dy = numbers(images * op.out().size(), Numbers::Real, 1.0f);
  Floats y(outs), dx(x.size());
  Ints winners(outs);
  const DeviceFloats x_device(x), dy_device(dy), y_device(outs), dx_device(x.size());
  const DeviceInts winners_device(outs);

  ops::max_pool2d(op, images, x.data(), y.data(), winners.data());
  cuda::max_pool2d(cuda::stream(), op, images, x_device, y_device, winners_device);
  expect_bits("max_pool2d " + name, y_device.host(), y);
  if (winners_device.host() != winners) fail("max_pool2d " + name, "other winners");
  ops::max_pool2d_backward(op, images, dy.data(), x.data(), dx.data());
  cuda::max_pool2d_backward(cuda::stream(), op, images, dy_device, winners_device, dx_device);
  expect_bits("max_pool2d_backward " + name, dx_device.host(), dx);
  const DeviceFloats alone(outs);
  cuda::max_pool2d(cuda::stream(), op, images, x_device, alone, nullptr);
  expect_bits("max_pool2d without winners " + name, alone.host(), y);

  ops::avg_pool2d(op, images, x.data(), y.data());
  cuda::avg_pool2d(cuda::stream(), op, images, x_device, y_device);
  expect_bits("avg_pool2d " + name, y_device.host(), y);
  ops::avg_pool2d_backward(op, images, dy.data(), dx.data());
  cuda::avg_pool2d_backward(cuda::stream(), op, images, dy_device, dx_device);
  expect_bits("avg_pool2d_backward " + name, dx_device.host(), dx);
}

void check_pool2d(const Pool2d& op) {
  for (const std::int64_t images : {0, 1, 3}) {
    check_pool2d(op, images, numbers(images * op.in.size(), Numbers::Real, 1.0f));
    check_pool2d(op, images, numbers(images * op.in.size(), Numbers::Whole, 1.0f));  // with equal pixels
  }
}

}  // namespace

void pool2d() {
  using D = AverageDivisor;
  const Pair one{1, 1}, two{2, 2}, three{3, 3};
  check_pool2d({{6, 14, 12}, two, two, one, {}, false, D::Window, 0});
  check_pool2d({{2, 7, 9}, three, two, one, {1, 1, 1, 1}, false, D::Window, 0});
  check_pool2d({{2, 7, 9}, three, two, one, {1, 1, 1, 1}, true, D::Pixels, 0});
  check_pool2d({{3, 8, 9}, {3, 2}, {2, 3}, {1, 2}, {1, 1, 1, 0}, true, D::Window, 0});
  check_pool2d({{1, 4, 4}, three, two, one, {1, 1, 1, 1}, true, D::Window, 0});
  check_pool2d({{2, 5, 6}, two, {3, 4}, one, {}, true, D::Window, 0});  // pixels without a window
  check_pool2d({{2, 10, 7}, {3, 2}, {1, 2}, {2, 3}, {2, 1, 0, 2}, false, D::Pixels, 0});
  check_pool2d({{2, 6, 5}, {6, 5}, one, one, {}, false, D::Window, 7});
  check_pool2d({{1, 3, 3}, three, three, one, {2, 2, 2, 2}, false, D::Pixels, 0});
  check_pool2d({{1, 92, 95}, {92, 90}, one, one, {0, 0, 1, 2}, false, D::Window, 0});  // sums that are cut
  check_pool2d({{1, 1, 8200}, {1, 8195}, one, one, {}, false, D::Window, 0});

  const Pool2d op{{2, 5, 6}, three, {1, 2}, one, {1, 1, 1, 1}, false, D::Window, 0};
  Floats x = numbers(op.in.size(), Numbers::Whole, 1.0f);
  for (std::size_t i = 0; i < x.size(); i += 7) x[i] = i % 2 ? std::nanf("") : -0.0f;
  check_pool2d(op, 1, x);
}

}  // namespace check
