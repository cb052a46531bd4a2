#include "ops/linear_tile.h"

#include <algorithm>

#include "ops/blocking.h"

namespace convlet {

LinearTile::LinearTile(const Linear& op, const Kernels& kernels) : op_(op), kernels_(&kernels) {
  const Axis point{{point_}, 1, 1};
  const auto correlation = [&](std::int64_t from, std::int64_t to) {
    Correlation c{};
    c.groups = 1;
    c.in_channels = static_cast<std::int32_t>(from);
    c.out_channels = static_cast<std::int32_t>(to);
    c.kernel_height = c.kernel_width = 1;
    c.x_channel = c.x_row = c.x_column = c.y_channel = c.y_row = kTile;
    c.row_spans = c.column_spans = 1;
    c.row_per_out = c.row_per_tap = c.column_per_out = c.column_per_tap = 1;
    c.block = choose_block(kernels, to, point, point).size;
    c.chain_channels = kChain;
    c.chain_rows = c.chain_columns = 1;
    c.chunk_taps = 512;
    c.band_rows = c.row_end = 1;
    return c;
  };
  forward_ = correlation(op.inputs, op.outputs);
  forward_.w_channel = forward_.block;
  forward_.w_block = op.inputs * forward_.block;
  backward_ = correlation(op.outputs, op.inputs);
  backward_.w_channel = backward_.block;
  backward_.w_block = op.outputs * backward_.block;
}

// (O, I) -> for each block of outputs: (I, block). 16 outputs at a time, the last of a block with some before them.
void LinearTile::pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  const std::int64_t block = forward_.block, inputs = op_.inputs;
  for (std::int64_t o = o0, last = 0; o < o1; o = last) {
    last = std::min(o1, (o / block + 1) * block);
    float* to = packed + o / block * forward_.w_block + o % block;
    const float* from = w + o * inputs;
    const std::int64_t rows = last - o;
    if (rows >= kTile) {
      for (std::int64_t row = 0; row < rows; row += kTile) {
        const std::int64_t first = std::min(row, rows - kTile);
        kernels_->pack_rows(from + first * inputs, inputs, inputs, block, to + first);
      }
    } else {
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t i = 0; i < inputs; ++i) to[i * block + row] = from[row * inputs + i];
      }
    }
  }
}

// (O, I) -> for each block of inputs: (O, block).
void LinearTile::pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  const std::int64_t block = backward_.block;
  for (std::int64_t i = 0; i < op_.inputs; i += block) {
    const std::int64_t width = std::min(block, op_.inputs - i);
    float* to = packed + i / block * backward_.w_block;
    for (std::int64_t o = o0; o < o1; ++o) std::copy_n(w + o * op_.inputs + i, width, to + o * block);
  }
}

void LinearTile::forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const {
  Correlation c = forward_;
  c.after = after;
  c.rows = c.columns = &point_;
  kernels_->correlate(c, x, packed, bias, y);
}

void LinearTile::input_gradient(const float* dy, const float* packed, float* dx) const {
  Correlation c = backward_;
  c.rows = c.columns = &point_;
  kernels_->correlate(c, dy, packed, nullptr, dx);
}

}  // namespace convlet
