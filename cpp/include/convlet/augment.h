// Augmentation: each image of a training step shifted, mirrored, turned and with a square left out, at random.
//
//   output(r, c) = 0 in the erased square, else input at M (r - dy - cy, c - dx - cx) + (cy, cx)
//
// with M a rotation about the middle (cy, cx) of the image, bilinear between four pixels, and then, if drawn, a mirror
// left and right; what lies outside the image is 0. Without rotation it is a copy of pixels. Every operation is rounded
// by itself, and cosine and sine come from a table made once, so that the pixels are the same on every device.
#pragma once

#include <cstdint>

#include "convlet/philox.h"

namespace convlet {

constexpr int kTurns = 257;  // angles, evenly spaced

struct Turn {
  float cosine, sine;
};

enum class Mirror { Never, Half };
enum class Rotation { None, Table };

struct Augment {           // plain data, copied to the device as it is
  std::int32_t shift = 0;  // pixels at most, in each direction
  std::int32_t erase = 0;  // side of the square; its middle lies anywhere in the image
  Mirror mirror = Mirror::Never;
  Rotation rotation = Rotation::None;
  Turn turns[kTurns] = {};
};

struct Transform {  // of one image
  std::int32_t down = 0, right = 0;
  std::int32_t erase_row = 0, erase_column = 0, erase = 0;  // first row and column, perhaps outside
  bool mirrored = false, turned = false;
  Turn turn{1.0f, 0.0f};
};

// `image`: its index in the data set.
CONVLET_ANYWHERE Transform transform_of(const Augment& augment, Draw draw, std::int64_t image, std::int32_t height,
                                        std::int32_t width) {
  const auto index = static_cast<std::uint32_t>(image);
  const Words place = draw_words(draw, kAugmentation, index, 0), square = draw_words(draw, kAugmentation, index, 1);
  const std::int32_t shifts = 2 * augment.shift + 1;
  Transform t;
  t.down = below(shifts, place.at[0]) - augment.shift;
  t.right = below(shifts, place.at[1]) - augment.shift;
  t.mirrored = augment.mirror == Mirror::Half && place.at[2] >> 31 != 0;
  t.turned = augment.rotation == Rotation::Table;
  if (t.turned) t.turn = augment.turns[below(kTurns, place.at[3])];
  t.erase = augment.erase;
  t.erase_row = below(height, square.at[0]) - augment.erase / 2;
  t.erase_column = below(width, square.at[1]) - augment.erase / 2;
  return t;
}

CONVLET_ANYWHERE bool is_erased(const Transform& t, std::int32_t row, std::int32_t column) {
  return row >= t.erase_row && row < t.erase_row + t.erase && column >= t.erase_column &&
         column < t.erase_column + t.erase;
}

CONVLET_ANYWHERE std::int32_t floor_of(float x) {
  const auto whole = static_cast<std::int32_t>(x);
  return static_cast<float>(whole) > x ? whole - 1 : whole;
}

// One pixel of one channel; pixel(row, column) gives the input's within the image.
template <class Pixel>
CONVLET_ANYWHERE float augmented(const Transform& t, std::int32_t height, std::int32_t width, std::int32_t row,
                                 std::int32_t column, const Pixel& pixel) {
  if (is_erased(t, row, column)) return 0.0f;
  const auto at = [&](std::int32_t r, std::int32_t c) {
    if (r < 0 || r >= height || c < 0 || c >= width) return 0.0f;
    return pixel(r, t.mirrored ? width - 1 - c : c);
  };
  row -= t.down;
  column -= t.right;
  if (!t.turned) return at(row, column);
  const float middle_row = static_cast<float>(height - 1) * 0.5f, middle_column = static_cast<float>(width - 1) * 0.5f;
  const float from_row = static_cast<float>(row) - middle_row, from_column = static_cast<float>(column) - middle_column;
  const float r = (t.turn.cosine * from_row + t.turn.sine * from_column) + middle_row;
  const float c = (t.turn.cosine * from_column - t.turn.sine * from_row) + middle_column;
  const std::int32_t r0 = floor_of(r), c0 = floor_of(c);
  const float down = r - static_cast<float>(r0), right = c - static_cast<float>(c0);
  const float upper = at(r0, c0) + right * (at(r0, c0 + 1) - at(r0, c0));
  const float lower = at(r0 + 1, c0) + right * (at(r0 + 1, c0 + 1) - at(r0 + 1, c0));
  return upper + down * (lower - upper);
}

}  // namespace convlet
