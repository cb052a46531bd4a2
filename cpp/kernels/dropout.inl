// Dropout of a tile: y[i][n] = kept(word i of image first + n) ? x[i][n] scale : 0.
//
// Four elements share a call of the generator, for sixteen images at a time: its multiplications of 32 bits by 32 are
// what takes the time, some 10 vector instructions an element of a tile in AVX-512, less than a sigmoid. The loops over
// lanes are the compiler's to turn into vectors.
void dropout(const Dropout& op, const Draw& draw, std::uint32_t first, const float* x, std::ptrdiff_t size, float* y) {
  for (std::ptrdiff_t i = 0; i < size; i += 4) {
    std::uint32_t words[4][kTile];
    for (int n = 0; n < kTile; ++n) {
      const Words drawn =
          draw_words(draw, op.layer, first + static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(i / 4));
      for (int k = 0; k < 4; ++k) words[k][n] = drawn.at[k];
    }
    const std::ptrdiff_t rest = size - i < 4 ? size - i : 4;
    for (std::ptrdiff_t k = 0; k < rest; ++k) {
      for (int n = 0; n < kTile; ++n) {
        const std::ptrdiff_t at = (i + k) * kTile + n;
        y[at] = dropped(op, words[k][n], x[at]);
      }
    }
  }
}
