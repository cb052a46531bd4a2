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

void turn_image(const Transform& t, const Image& shape, const float* x, float* y) {
  const auto height = static_cast<std::int32_t>(shape.height), width = static_cast<std::int32_t>(shape.width);
  for (std::int64_t c = 0; c < shape.channels; ++c, x += shape.plane()) {
    const auto pixel = [&](std::int32_t r, std::int32_t column) { return x[std::int64_t{r} * width + column]; };
    for (std::int32_t row = 0; row < height; ++row) {
      for (std::int32_t column = 0; column < width; ++column) {
        *y++ = augmented(t, height, width, row, column, pixel);
      }
    }
  }
}

}  // namespace convlet
