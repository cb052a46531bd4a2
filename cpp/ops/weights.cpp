#include "ops/weights.h"

#include <algorithm>

namespace convlet {
namespace {

// Up to 16 rows of a matrix as the lanes of one tile; missing ones are zeros.
void pack_rows(const Kernels& k, const float* first, std::int64_t stride, std::int64_t rows, std::int64_t size,
               float* tile) {
  const float* lanes[kTile] = {};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(kTile, rows); ++i) lanes[i] = first + i * stride;
  k.pack_floats(lanes, size, tile);
}

}  // namespace

void pack_weights(const Conv2d& op, Direction direction, const Correlation& c, std::int64_t o0, std::int64_t o1,
                  const float* w, float* packed) {
  const std::int64_t taps = op.kernel.height * op.kernel.width, channels = op.channels_of_group();
  const std::int64_t outputs = op.out_channels / op.groups;
  for (std::int64_t o = o0; o < o1; ++o) {
    for (std::int64_t i = 0; i < channels; ++i) {
      const std::int64_t to = direction == Direction::Forward ? o % outputs : i;
      const std::int64_t from = direction == Direction::Forward ? i : o % outputs;
      float* block = packed + o / outputs * c.w_group + to / c.block * c.w_block + from * c.w_channel + to % c.block;
      const float* own = w + (o * channels + i) * taps;
      for (std::int64_t k = 0; k < taps; ++k) block[k * c.w_tap] = own[k];
    }
  }
}

void pack_vectors(const Conv2d& op, Direction direction, const Correlation& c, const Kernels& kernels, const float* w,
                  float* packed) {
  const std::int64_t taps = op.kernel.height * op.kernel.width, channels = op.channels_of_group();
  const std::int64_t outputs = op.out_channels / op.groups;
  for (std::int64_t g = 0; g < op.groups; ++g, w += outputs * channels * taps, packed += c.w_group) {
    if (direction == Direction::Forward) {
      for (std::int64_t o = 0; o < outputs; o += kTile) {
        pack_rows(kernels, w + o * channels * taps, channels * taps, outputs - o, channels * taps,
                  packed + o / kTile * c.w_vector);
      }
    } else {
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < channels; i += kTile) {
          pack_rows(kernels, w + (o * channels + i) * taps, taps, channels - i, taps,
                    packed + i / kTile * c.w_vector + o * c.w_channel);
        }
      }
    }
  }
}

}  // namespace convlet
