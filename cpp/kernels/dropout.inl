// Dropout of a tile: y[i][n] = kept(word i of image first + n) ? x[i][n] scale : 0, kept if word / 2^8 >= threshold.
//
// Four elements share a call of the generator, for sixteen images at a time: its multiplications of 32 bits by 32, five
// to an element, are what takes the time. That loop over lanes is the compiler's to turn into vectors. 24 bits of a
// word are exact as a float.
void dropout(const Dropout& op, const Draw& draw, std::uint32_t first, const float* x, std::ptrdiff_t size, float* y) {
  const Vec threshold = set(static_cast<float>(op.threshold)), scale = set(op.scale);
  for (std::ptrdiff_t i = 0; i < size; i += 4) {
    float words[4][kTile];
    for (int n = 0; n < kTile; ++n) {
      const auto image = first + static_cast<std::uint32_t>(n), block = static_cast<std::uint32_t>(i / 4);
      const Words drawn = draw_words(draw, op.layer, image, block);
      for (int k = 0; k < 4; ++k) words[k][n] = static_cast<float>(static_cast<std::int32_t>(drawn.at[k] >> 8));
    }
    const std::ptrdiff_t rest = size - i < 4 ? size - i : 4;
    for (std::ptrdiff_t k = 0; k < rest; ++k) {
      for (int lane = 0; lane < kTile; lane += Vec::lanes) {
        const std::ptrdiff_t at = (i + k) * kTile + lane;
        store(y + at, select(less(load(words[k] + lane), threshold), set(0.0f), load(x + at) * scale));
      }
    }
  }
}
