// linear on the device against the CPU's; and how tiles are chosen.
#include "compare.h"
#include "cuda/kernels/tile_shape.h"
#include "cuda/ops.h"
#include "ops/ops.h"

using namespace convlet;

namespace check {
namespace {

constexpr double kGradientTolerance = 1e-6;

void check_linear(const Linear& op, std::int64_t images, Activation after = Activation::None) {
  for (const Numbers kind : {Numbers::Whole, Numbers::Real}) {
    const std::string name = "linear of " + std::to_string(images) + " x " + std::to_string(op.inputs) + " to " +
                             std::to_string(op.outputs) +
                             (kind == Numbers::Whole ? ", whole numbers" : ", real numbers");
    const float reach = kind == Numbers::Whole ? 2.0f : 1.0f;
    const Floats x = numbers(images * op.inputs, kind, reach), w = numbers(op.weights(), kind, reach);
    const Floats bias = numbers(op.outputs, kind, reach), dy = numbers(images * op.outputs, kind, reach);
    Floats y(dy.size()), dx(x.size()), dw(w.size()), db(bias.size());
    const bool biased = op.outputs % 2 != 0;
    ops::linear(op, images, x.data(), w.data(), biased ? bias.data() : nullptr, y.data());
    ops::activation(after, y.data(), static_cast<std::int64_t>(y.size()), y.data());
    ops::linear_backward(op, images, dy.data(), x.data(), w.data(), dx.data(), dw.data(), db.data());

    const DeviceFloats x_device(x), w_device(w), bias_device(bias), dy_device(dy), y_device(y.size());
    const DeviceFloats dx_device(dx.size()), dw_device(dw.size()), db_device(db.size());
    const DeviceFloats scratch(static_cast<std::size_t>(cuda::linear_scratch(op, images)));
    cuda::linear(cuda::stream(), op, images, x_device, w_device, biased ? bias_device.data() : nullptr, after,
                 y_device);
    expect_bits(name, y_device.host(), y);
    cuda::linear_backward_input(cuda::stream(), op, images, dy_device, w_device, dx_device);
    expect_bits(name + ", dx", dx_device.host(), dx);
    cuda::linear_backward_weight(cuda::stream(), op, images, dy_device, x_device, scratch, dw_device, db_device);
    if (kind == Numbers::Whole) {
      expect_bits(name + ", dw", dw_device.host(), dw);
      expect_bits(name + ", db", db_device.host(), db);
      continue;
    }
    Floats unused(x.size()), scale_w(w.size()), scale_b(db.size());
    ops::linear_backward(op, images, magnitudes(dy).data(), magnitudes(x).data(), w.data(), unused.data(),
                         scale_w.data(), scale_b.data());
    expect_close(name + ", dw", dw_device.host(), dw, scale_w, kGradientTolerance);
    expect_close(name + ", db", db_device.host(), db, scale_b, kGradientTolerance);
  }
}

}  // namespace

void linear() {
  for (const std::int64_t images : {0, 1, 5, 33}) {
    check_linear({7, 3}, images, Activation::Sigmoid);
    check_linear({100, 41}, images, Activation::Tanh);
    check_linear({16, 10}, images, Activation::Relu);
    check_linear({1, 1}, images);
  }
  check_linear({8200, 3}, 2, Activation::Relu);  // chains that are cut
  check_linear({3, 8200}, 2);
  check_linear({2, 5}, 2100);    // several slots of weights and of biases
  check_linear({2, 4300}, 60);   // tiles of 64 rows, images along either axis
  check_linear({4300, 3}, 125);  // of 128 rows
  check_linear({2, 10}, 9000);   // of 16 rows
  check_linear({4300, 125}, 3);
  check_linear({4300, 60}, 1);
}

void tile_shape() {
  using cuda::TileShape;
  const auto expect = [](bool right, const char* what) {
    if (!right) fail("tile_shape", what);
  };
  const auto choose = cuda::choose_tile;
  expect(choose(6, 784 * 256, 1) == TileShape::Rows8, "six channels take tiles of eight rows");
  expect(choose(16, 100 * 256, 1) == TileShape::Rows16, "sixteen channels take tiles of sixteen rows");
  expect(choose(64, 56 * 56 * 32, 1) == TileShape::Rows64, "64 channels take tiles of 64 rows");
  expect(choose(512, 28 * 28 * 32, 1) == TileShape::Rows128, "many channels and positions take the largest tile");
  expect(choose(128, 64, 1) == TileShape::Rows8, "few outputs are spread over the multiprocessors");
  for (const std::int64_t steps : {std::int64_t{0}, std::int64_t{1}, std::int64_t{511}, std::int64_t{513},
                                   std::int64_t{1000003}, std::int64_t{1} << 40}) {
    for (const std::int64_t m : {1, 6, 120, 4096}) {
      const cuda::SlotSplit split = cuda::split_steps(m, 25, 1, steps);
      expect(split.slots >= 1 && split.slots * split.steps_of_slot >= steps, "slots cover all steps");
      expect(split.slots == 1 || (split.slots - 1) * split.steps_of_slot < steps, "no slot is empty");
      expect(split.slots == 1 || split.steps_of_slot >= 512, "slots are worth their sums");
      expect(split.slots <= 2 * cuda::kMultiprocessors, "slots are no more than fill the multiprocessors twice");
    }
  }
}

}  // namespace check
