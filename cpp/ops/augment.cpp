#include "ops/augment.h"

#include <algorithm>

namespace convlet {

// Row by row: what a shift leaves of a row is one stretch, copied or turned round.
template <class Pixel>
void augment_image(const Transform& t, const Image& shape, const Pixel* x, Pixel* y) {
  const std::int64_t height = shape.height, width = shape.width;
  const std::int64_t first = std::clamp<std::int64_t>(t.right, 0, width);
  const std::int64_t last = std::clamp<std::int64_t>(width + t.right, first, width);
  const std::int64_t erase_first = std::clamp<std::int64_t>(t.erase_column, 0, width);
  const std::int64_t erase_last = std::clamp<std::int64_t>(t.erase_column + t.erase, erase_first, width);
  for (std::int64_t row = 0; row < shape.channels * height; ++row, y += width) {
    const std::int64_t r = row % height, from = r - t.down;
    if (from < 0 || from >= height || first == last) {
      std::fill_n(y, width, Pixel{0});
      continue;
    }
    const Pixel* source = x + (row - t.down) * width;
    std::fill_n(y, first, Pixel{0});
    if (t.mirrored) {
      std::reverse_copy(source + width - last + t.right, source + width - first + t.right, y + first);
    } else {
      std::copy(source + first - t.right, source + last - t.right, y + first);
    }
    std::fill_n(y + last, width - last, Pixel{0});
    if (r >= t.erase_row && r < t.erase_row + t.erase) std::fill(y + erase_first, y + erase_last, Pixel{0});
  }
}

template void augment_image(const Transform&, const Image&, const std::uint8_t*, std::uint8_t*);
template void augment_image(const Transform&, const Image&, const float*, float*);

// The image with two pixels of zeros around it (kernels/augment.inl), mirrored.
void turn_image(const Kernels& k, const Transform& t, const Image& shape, const float* x, float* scratch, float* y) {
  const std::int64_t height = shape.height, width = shape.width, stride = width + 4;
  std::fill_n(scratch, turn_scratch(shape), 0.0f);
  const std::int64_t erase_first = std::clamp<std::int64_t>(t.erase_column, 0, width);
  const std::int64_t erase_last = std::clamp<std::int64_t>(t.erase_column + t.erase, erase_first, width);
  const std::int64_t erase_top = std::clamp<std::int64_t>(t.erase_row, 0, height);
  const std::int64_t erase_bottom = std::clamp<std::int64_t>(t.erase_row + t.erase, erase_top, height);
  for (std::int64_t c = 0; c < shape.channels; ++c, y += shape.plane()) {
    for (std::int64_t row = 0; row < height; ++row, x += width) {
      float* padded = scratch + (row + 2) * stride + 2;
      if (t.mirrored) {
        std::reverse_copy(x, x + width, padded);
      } else {
        std::copy_n(x, width, padded);
      }
    }
    k.turn(t, static_cast<std::int32_t>(height), static_cast<std::int32_t>(width), scratch, y);
    for (std::int64_t row = erase_top; row < erase_bottom; ++row) {
      std::fill(y + row * width + erase_first, y + row * width + erase_last, 0.0f);
    }
  }
}

}  // namespace convlet
