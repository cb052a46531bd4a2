#include "ops/linear_rows.h"

#include <algorithm>

#include "convlet/tile.h"

namespace convlet {
namespace {

constexpr std::int64_t kGroup = 8;  // vectors of outputs that are computed together: enough to hide the latency

}  // namespace

LinearRows::LinearRows(const Linear& op, const Kernels& kernels)
    : op_(op), kernels_(&kernels), vectors_(ceil_div(op.outputs, kTile)) {
  constexpr std::int64_t kBytes = 32 << 10;
  const std::int64_t column = std::min(vectors_, kGroup) * kTile * std::int64_t{sizeof(float)};
  chunk_ = std::min(op.inputs, kBytes / column);
}

std::int64_t LinearRows::scratch(std::int64_t rows) const {
  const std::int64_t group = std::min(vectors_, kGroup);
  return group * kTile * (chunk_ + 2 * rows);
}

void LinearRows::run(std::int64_t rows, const float* x, const float* w, const float* bias, float* scratch,
                     float* y) const {
  if (rows == 1 && op_.outputs >= kTile) return kernels_->linear_row(x, w, bias, op_.inputs, op_.outputs, y);
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  const Span point{0, 1, 1, 0, 1, 1, 0}, line{0, 1, narrow(rows), 0, 1, 1, 0};
  Correlation c{};
  c.groups = c.images = c.kernel_height = c.kernel_width = 1;
  c.x_channel = 1;
  c.x_column = op_.inputs;  // from row to row
  c.y_channel = c.y_row = rows * kTile;
  c.rows = &point;
  c.columns = &line;
  c.row_spans = c.column_spans = 1;
  c.row_per_out = c.row_per_tap = c.column_per_out = c.column_per_tap = 1;
  c.chain_channels = c.chunk_taps = kChain;
  c.chain_rows = c.chain_columns = c.band_rows = c.row_end = 1;
  c.w_channel = c.w_tap = kTile;
  for (std::int64_t first = 0; first < vectors_; first += kGroup) {
    const std::int64_t vectors = std::min(kGroup, vectors_ - first),
                       outputs = std::min(vectors * kTile, op_.outputs - first * kTile);
    float *weights = scratch, *sums = weights + vectors * chunk_ * kTile, *part = sums + vectors * rows * kTile;
    c.out_channels = narrow(vectors);
    c.block = narrow(rows == 1 ? vectors : std::min<std::int64_t>(vectors, 3));  // by 8 rows, or 4 in 16 registers
    alignas(64) float start[kGroup * kTile] = {};
    if (bias) std::copy_n(bias + first * kTile, outputs, start);
    for (std::int64_t cut = 0; cut == 0 || cut < op_.inputs; cut += kChain) {  // where chains are cut
      float* chain = cut == 0 ? sums : part;
      const std::int64_t end = std::min(op_.inputs, cut + kChain);
      for (std::int64_t input = cut; input == cut || input < end; input += chunk_) {
        const std::int64_t inputs = std::min(chunk_, end - input);
        for (std::int64_t i = 0; i < vectors; ++i) {
          const float* lanes[kTile] = {};
          for (std::int64_t k = 0; k < std::min<std::int64_t>(kTile, outputs - i * kTile); ++k) {
            lanes[k] = w + ((first + i) * kTile + k) * op_.inputs + input;
          }
          kernels_->pack_floats(lanes, inputs, weights + i * inputs * kTile);
        }
        c.in_channels = narrow(inputs);
        c.w_vector = inputs * kTile;
        c.w_block = c.block * c.w_vector;
        kernels_->correlate_channels(c, input == cut ? Chain::Begin : Chain::Resume, x + input, weights,
                                     cut == 0 ? start : nullptr, chain);
      }
      if (cut) kernels_->add(part, vectors * rows * kTile, sums);
    }
    for (std::int64_t n = 0; n < rows; ++n) {
      float* row = y + n * op_.outputs + first * kTile;
      for (std::int64_t i = 0; i < vectors; ++i) {
        std::copy_n(sums + (i * rows + n) * kTile, std::min<std::int64_t>(kTile, outputs - i * kTile), row + i * kTile);
      }
    }
  }
}

}  // namespace convlet
