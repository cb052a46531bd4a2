// Dropout and normalization of a batch in NumPy's layout.
#include <algorithm>

#include "isa/dispatch.h"
#include "ops/ops.h"
#include "threads/pool.h"

namespace convlet::ops {
namespace {

void drop_image(const Dropout& op, Draw draw, std::int64_t image, std::int64_t size, const float* x, float* y) {
  for (std::int64_t i = 0; i < size; i += 4) {
    const Words words =
        draw_words(draw, op.layer, static_cast<std::uint32_t>(image), static_cast<std::uint32_t>(i / 4));
    for (std::int64_t k = i; k < std::min(i + 4, size); ++k) y[k] = dropped(op, words.at[k - i], x[k]);
  }
}

}  // namespace

void dropout(const Dropout& op, Draw draw, std::int64_t images, std::int64_t size, const float* x, float* y) {
  constexpr std::int64_t kWorthAThread = 1 << 14;  // numbers
  const int threads = images * size > kWorthAThread ? Pool::shared().size() : 1;
  parallel_for(threads, images,
               [&](std::int64_t n, int) { drop_image(op, draw, n, size, x + n * size, y + n * size); });
}

void normalize(std::int64_t images, std::int64_t channels, std::int64_t plane, const float* mean, const float* std,
               const float* x, float* y) {
  const Kernels& k = kernels();
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c, x += plane, y += plane) k.normalize(x, plane, mean[c], std[c], y);
  }
}

}  // namespace convlet::ops
