// Augmented batches of the device: the pixels that the same formula gives on the CPU, bit by bit, and their labels.
#include "compare.h"
#include "cuda/batch.h"

namespace check {
namespace {

using namespace convlet;

void compare(const Augment& augmentation, const Image& shape) {
  constexpr std::int64_t kAll = 7, kBatch = 4;
  Floats pixels(static_cast<std::size_t>(kAll * shape.size()));
  for (float& pixel : pixels) pixel = static_cast<float>(random_bits() % 256);
  Ints labels(static_cast<std::size_t>(kAll));
  for (std::int64_t& label : labels) label = static_cast<std::int64_t>(random_bits() % 10);
  const Ints order{6, 0, 3, 3, 5, 1, 2};
  const Draw draw{11, 5};
  const cuda::Cursor cursor{2, 9};

  const DeviceFloats images(pixels);
  const DeviceInts device_labels(labels), device_order(order);
  const Array<Draw> device_draw(std::vector<Draw>{draw});
  const Array<cuda::Cursor> device_cursor(std::vector<cuda::Cursor>{cursor});
  const Array<Augment> device_augment(std::vector<Augment>{augmentation});
  DeviceFloats x(static_cast<std::size_t>(kBatch * shape.size()));
  DeviceInts chosen(static_cast<std::size_t>(kBatch));
  const cuda::Source source{images,       false,         shape.size(), device_labels,
                            device_order, device_cursor, device_draw,  device_cursor};
  cuda::augment(cuda::stream(), source, kBatch, shape, device_augment, x, chosen);

  Floats expected;
  Ints expected_labels;
  const auto height = static_cast<std::int32_t>(shape.height), width = static_cast<std::int32_t>(shape.width);
  for (std::int64_t n = 0; n < kBatch; ++n) {
    const std::int64_t place = order[static_cast<std::size_t>(cursor.position + n)];
    const Transform t = transform_of(augmentation, {draw.seed, draw.step + cursor.step}, place, height, width);
    expected_labels.push_back(labels[static_cast<std::size_t>(place)]);
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const std::int64_t plane = place * shape.size() + i / shape.plane() * shape.plane();
      const auto within = static_cast<std::int32_t>(i % shape.plane());
      expected.push_back(augmented(t, height, width, within / width, within % width, [&](int row, int column) {
        return pixels[static_cast<std::size_t>(plane + std::int64_t{row} * width + column)];
      }));
    }
  }
  expect_bits("augment", x.host(), expected);
  if (chosen.host() != expected_labels) fail("augment", "the labels");
}

}  // namespace

void augment() {
  Augment moved;
  moved.shift = 2;
  moved.erase = 5;
  moved.mirror = Mirror::Half;
  compare(moved, {1, 28, 28});
  Augment turned = moved;
  turned.rotation = Rotation::Table;
  for (int i = 0; i < kTurns; ++i) {
    const float angle = 0.3f * (static_cast<float>(i) / (kTurns - 1) - 0.5f);
    turned.turns[i] = {std::cos(angle), std::sin(angle)};
  }
  compare(turned, {3, 21, 19});
}

}  // namespace check
