// conv2d on the device against the CPU's.
#include "compare.h"
#include "cuda/kernels/tile_shape.h"
#include "cuda/ops.h"
#include "ops/ops.h"

using namespace convlet;

namespace check {
namespace {

// Gradients of weights are added in another order than on the CPU: relative to the sum of all magnitudes.
constexpr double kGradientTolerance = 1e-6;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::string name_of(const Conv2d& op, std::int64_t images, Numbers kind) {
  const auto n = [](std::int64_t value) { return std::to_string(value); };
  return "conv2d of " + n(images) + " images (" + n(op.in.channels) + ", " + n(op.in.height) + ", " + n(op.in.width) +
         "), " + n(op.out_channels) + " outputs, kernel " + n(op.kernel.height) + " x " + n(op.kernel.width) +
         ", stride " + n(op.stride.height) + " x " + n(op.stride.width) + ", groups " + n(op.groups) +
         (kind == Numbers::Whole ? ", whole numbers" : ", real numbers");
}

void check_forward(const std::string& name, const Conv2d& op, std::int64_t images, const Floats& x, const Floats& w,
                   const Floats& bias, Activation after) {
  Floats expected(size(images * op.out().size()));
  ops::conv2d(op, images, x.data(), w.data(), bias.empty() ? nullptr : bias.data(), expected.data());
  ops::activation(after, expected.data(), static_cast<std::int64_t>(expected.size()), expected.data());
  const DeviceFloats x_device(x), w_device(w), bias_device(bias), y(expected.size());
  cuda::conv2d(cuda::stream(), op, images, x_device, w_device, bias.empty() ? nullptr : bias_device.data(), after, y);
  expect_bits(name, y.host(), expected);
}

void check_input_gradient(const std::string& name, const Conv2d& op, std::int64_t images, const Floats& dy,
                          const Floats& w) {
  const std::size_t pixels = size(images * op.in.size());
  Floats x(pixels), dx(pixels), dw(w.size()), db(size(op.out_channels));
  ops::conv2d_backward(op, images, dy.data(), x.data(), w.data(), dx.data(), dw.data(), db.data());
  const DeviceFloats dy_device(dy), w_device(w), dx_device(pixels);
  cuda::conv2d_backward_input(cuda::stream(), op, images, dy_device, w_device, dx_device);
  expect_bits(name + ", dx", dx_device.host(), dx);
}

void check_weight_gradient(const std::string& name, const Conv2d& op, std::int64_t images, const Floats& dy,
                           const Floats& x, Numbers kind) {
  Floats w(size(op.weights())), dx(x.size()), dw(w.size()), db(size(op.out_channels));
  ops::conv2d_backward(op, images, dy.data(), x.data(), w.data(), dx.data(), dw.data(), db.data());
  const DeviceFloats dy_device(dy), x_device(x), dw_device(dw.size()), db_device(db.size());
  const DeviceFloats scratch(size(cuda::conv2d_scratch(op, images)));
  cuda::conv2d_backward_weight(cuda::stream(), op, images, dy_device, x_device, scratch, dw_device, db_device);
  if (kind == Numbers::Whole) {
    expect_bits(name + ", dw", dw_device.host(), dw);
    expect_bits(name + ", db", db_device.host(), db);
    return;
  }
  Floats dw_scale(dw.size()), db_scale(db.size());
  ops::conv2d_backward(op, images, magnitudes(dy).data(), magnitudes(x).data(), w.data(), dx.data(), dw_scale.data(),
                       db_scale.data());
  expect_close(name + ", dw", dw_device.host(), dw, dw_scale, kGradientTolerance);
  expect_close(name + ", db", db_device.host(), db, db_scale, kGradientTolerance);
}

struct Operands {
  Floats x, w, dy, bias;
};

Operands operands(const Conv2d& op, std::int64_t images, Numbers kind) {
  const float reach = kind == Numbers::Whole ? 2.0f : 1.0f;
  return {numbers(images * op.in.size(), kind, reach), numbers(op.weights(), kind, reach),
          numbers(images * op.out().size(), kind, reach), numbers(op.out_channels, kind, reach)};
}

void check_conv2d(const Conv2d& op, std::int64_t images, Activation after = Activation::None) {
  for (const Numbers kind : {Numbers::Whole, Numbers::Real}) {
    const Operands of = operands(op, images, kind);
    const std::string name = name_of(op, images, kind);
    check_forward(name, op, images, of.x, of.w, images % 2 ? of.bias : Floats(), after);
    check_input_gradient(name, op, images, of.dy, of.w);
    check_weight_gradient(name, op, images, of.dy, of.x, kind);
  }
}

// Infinite weights at taps that borders do not see; zeros of either sign and NaN everywhere.
void check_special_values() {
  const Conv2d op{{2, 5, 6}, 9, {3, 3}, {1, 2}, {1, 1}, {1, 1, 2, 1}, 1};
  Floats x = numbers(2 * op.in.size(), Numbers::Real, 1.0f), w = numbers(op.weights(), Numbers::Real, 1.0f);
  Floats dy = numbers(2 * op.out().size(), Numbers::Real, 1.0f);
  for (std::size_t i = 0; i < w.size(); i += 9) w[i] = INFINITY;
  const std::string name = "conv2d of infinite weights";
  check_forward(name, op, 2, x, w, {}, Activation::None);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] = i % 2 ? -0.0f : 0.0f;
  for (std::size_t i = 0; i < dy.size(); i += 2) dy[i] = i % 3 ? -0.0f : 0.0f;
  for (std::size_t i = 0; i < w.size(); i += 2) w[i] = i % 3 ? -0.0f : 0.0f;
  const Floats zeros(size(op.out_channels), -0.0f);
  check_forward("conv2d of zeros of either sign", op, 2, x, w, zeros, Activation::Relu);
  check_input_gradient("conv2d of zeros of either sign", op, 2, dy, w);
  check_weight_gradient("conv2d of zeros of either sign", op, 2, dy, x, Numbers::Real);
  const std::uint32_t mark = 0x7fc5719d;  // the NaN that stands for padding within the kernels: one like all others
  std::memcpy(&x[7], &mark, sizeof mark);
  check_forward("conv2d of NaN", op, 2, x, w, zeros, Activation::Sigmoid);
}

void check_shapes() {
  const Pair one{1, 1};
  for (const std::int64_t images : {0, 1, 2, 3}) {
    check_conv2d({{1, 12, 11}, 6, {5, 5}, one, one, {2, 2, 2, 2}, 1}, images, Activation::Sigmoid);
    check_conv2d({{6, 9, 8}, 17, {5, 3}, one, one, {}, 1}, images, Activation::Relu);
    check_conv2d({{4, 9, 11}, 6, {3, 2}, {2, 3}, {2, 1}, {1, 0, 3, 2}, 2}, images, Activation::Tanh);
    check_conv2d({{3, 7, 5}, 4, {1, 1}, {3, 2}, one, {}, 1}, images);
    check_conv2d({{8, 5, 5}, 8, {3, 3}, one, one, {1, 1, 1, 1}, 8}, images);
    check_conv2d({{2, 3, 4}, 3, {5, 7}, {2, 4}, {1, 2}, {3, 4, 9, 8}, 1}, images);
    check_conv2d({{2, 6, 7}, 3, {2, 3}, {4, 6}, {2, 3}, {0, 5, 7, 0}, 1}, images);
    check_conv2d({{5, 1, 1}, 3, {1, 1}, one, one, {}, 1}, images);
  }
  check_conv2d({{1, 130, 130}, 2, one, {130, 130}, one, {}, 1}, 3);     // more phases than blocks
  check_conv2d({{3, 2, 2}, 2, {2, 2}, one, one, {1, 1, 1, 1}, 1}, 70);  // several slots of bias sums
}

// Chains that are cut after channels, after kernel rows, and within a row; forward and back.
void check_cuts() {
  const Pair one{1, 1};
  check_conv2d({{930, 3, 4}, 2, {3, 3}, one, one, {1, 0, 0, 1}, 1}, 1, Activation::Sigmoid);
  check_conv2d({{2, 3, 4}, 930, {3, 3}, one, one, {1, 0, 0, 1}, 1}, 1);
  check_conv2d({{2, 3, 4}, 2, {91, 92}, one, one, {44, 45, 45, 44}, 1}, 1, Activation::Relu);
  check_conv2d({{1, 3, 5}, 2, {2, 8240}, {1, 3}, one, {0, 0, 4120, 4120}, 1}, 1);
  for (const Conv2d& op : {Conv2d{{2, 92, 93}, 2, {91, 92}, one, one, {0, 1, 1, 0}, 1},
                           Conv2d{{1, 3, 8250}, 2, {2, 8240}, {1, 3}, one, {0, 0, 2, 0}, 1}}) {
    const Floats x = numbers(op.in.size(), Numbers::Real, 1.0f), w = numbers(op.weights(), Numbers::Real, 1.0f);
    check_forward(name_of(op, 1, Numbers::Real), op, 1, x, w, {}, Activation::None);
  }
}

void expect_tile(cuda::TileShape shape, std::int64_t m, std::int64_t n) {
  if (cuda::choose_tile(m, n, 1) != shape) fail("tiles", "a shape no longer chooses the tile that it is here to check");
}

// Every tile, with and without padding, in all three passes.
void check_tiles() {
  const Pair one{1, 1}, two{2, 3};
  const Padding none{}, some{1, 0, 1, 0};
  struct Case {
    cuda::TileShape shape;
    std::int64_t channels;
  };
  for (const Case& c :
       {Case{cuda::TileShape::Rows16, 32}, Case{cuda::TileShape::Rows64, 60}, Case{cuda::TileShape::Rows128, 125}}) {
    expect_tile(c.shape, c.channels, 66 * 66);
    for (const Conv2d& op : {Conv2d{{2, 66, 66}, c.channels, one, one, one, none, 1},
                             Conv2d{{1, 66, 67}, c.channels, two, one, one, some, 1}}) {
      const Operands of = operands(op, 1, Numbers::Real);
      check_forward(name_of(op, 1, Numbers::Real), op, 1, of.x, of.w, of.bias, Activation::Tanh);
    }
    for (const Conv2d& op : {Conv2d{{c.channels, 66, 66}, 2, one, one, one, none, 1},
                             Conv2d{{c.channels, 66, 67}, 1, two, one, one, some, 1}}) {
      const Operands of = operands(op, 1, Numbers::Real);
      check_input_gradient(name_of(op, 1, Numbers::Real), op, 1, of.dy, of.w);
    }
    expect_tile(c.shape, c.channels, 172 * 25);
    for (const Conv2d& op : {Conv2d{{172, 5, 6}, c.channels, {5, 5}, one, one, none, 1},
                             Conv2d{{172, 4, 5}, c.channels, {5, 5}, one, one, {0, 1, 1, 0}, 1}}) {
      const Operands of = operands(op, 1, Numbers::Whole);
      check_weight_gradient(name_of(op, 1, Numbers::Whole), op, 1, of.dy, of.x, Numbers::Whole);
    }
  }
}

}  // namespace

void conv2d() {
  check_shapes();
  check_special_values();
  check_cuts();
  check_tiles();
}

}  // namespace check
