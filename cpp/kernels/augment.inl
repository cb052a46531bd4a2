// One channel of an image turned and shifted, as convlet/augment.h says, without its mirror and its erased square:
//
//   y[row][column] = bilinear(padded, M (row - down, column - right))
//
// padded is (height + 4, width + 4), the channel with two rows and columns of zeros around it, so that no tap asks
// whether it lies inside: what would lie farther out is moved to the zeros.
//
// Sixteen columns at a time: where they come from and their blend are plain loops for the compiler to turn into
// vectors, and between the two are the loads, one by one.
void turn(const Transform& t, std::int32_t height, std::int32_t width, const float* padded, float* y) {
  const float cosine = t.turn.cosine, sine = t.turn.sine;
  const float middle_row = static_cast<float>(height - 1) * 0.5f, middle_column = static_cast<float>(width - 1) * 0.5f;
  const std::int32_t stride = width + 4;
  for (std::int32_t row = 0; row < height; ++row, y += width) {
    const float from_row = static_cast<float>(row - t.down) - middle_row;
    const float down_part = cosine * from_row, right_part = sine * from_row;
    for (std::int32_t first = 0; first < width; first += kTile) {
      std::int32_t at[kTile];
      float down[kTile], right[kTile], taps[4][kTile];
      for (std::int32_t n = 0; n < kTile; ++n) {
        const float from_column = static_cast<float>(first + n - t.right) - middle_column;
        const float r = (down_part + sine * from_column) + middle_row;
        const float c = (cosine * from_column - right_part) + middle_column;
        const std::int32_t r0 = floor_of(r), c0 = floor_of(c);
        down[n] = r - static_cast<float>(r0);
        right[n] = c - static_cast<float>(c0);
        at[n] = smaller(larger(r0, -2), height) * stride + smaller(larger(c0, -2), width);
      }
      const float* origin = padded + 2 * stride + 2;
      for (int n = 0; n < kTile; ++n) {
        taps[0][n] = origin[at[n]];
        taps[1][n] = origin[at[n] + 1];
        taps[2][n] = origin[at[n] + stride];
        taps[3][n] = origin[at[n] + stride + 1];
      }
      for (int n = 0; n < kTile; ++n) {
        const float upper = taps[0][n] + right[n] * (taps[1][n] - taps[0][n]);
        const float lower = taps[2][n] + right[n] * (taps[3][n] - taps[2][n]);
        taps[0][n] = upper + down[n] * (lower - upper);
      }
      const std::int32_t rest = smaller(width - first, kTile);
      for (std::int32_t n = 0; n < rest; ++n) y[first + n] = taps[0][n];
    }
  }
}
