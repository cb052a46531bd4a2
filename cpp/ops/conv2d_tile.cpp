#include "ops/conv2d_tile.h"

#include <algorithm>

#include "ops/blocking.h"
#include "ops/conv2d_gradient.h"
#include "ops/weights.h"

namespace convlet {

Conv2dTile::Conv2dTile(const Conv2d& op, const Kernels& kernels) : op_(op), kernels_(&kernels) {
  const Image in = op.in, out = op.out();
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  rows_ = forward_axis(in.height, out.height, op.kernel.height, op.stride.height, op.dilation.height, op.padding.top);
  columns_ = forward_axis(in.width, out.width, op.kernel.width, op.stride.width, op.dilation.width, op.padding.left);
  back_rows_ =
      backward_axis(in.height, out.height, op.kernel.height, op.stride.height, op.dilation.height, op.padding.top);
  back_columns_ =
      backward_axis(in.width, out.width, op.kernel.width, op.stride.width, op.dilation.width, op.padding.left);

  const std::int32_t group_in = narrow(op.channels_of_group()), group_out = narrow(op.out_channels / op.groups);
  const std::int64_t taps = op.kernel.height * op.kernel.width;
  const auto correlation = [&](const Image& from, const Image& to, std::int32_t channels_from, std::int32_t channels_to,
                               const Axis& rows, const Axis& columns, std::int64_t row_step, double& clocks) {
    Correlation c{};
    c.groups = narrow(op.groups);
    c.in_channels = channels_from;
    c.out_channels = channels_to;
    c.kernel_height = narrow(op.kernel.height);
    c.kernel_width = narrow(op.kernel.width);
    c.x_channel = from.plane() * kTile;
    c.x_row = from.width * kTile;
    c.x_column = kTile;
    c.y_channel = to.plane() * kTile;
    c.y_row = to.width * kTile;
    c.row_spans = narrow(static_cast<std::int64_t>(rows.spans.size()));
    c.column_spans = narrow(static_cast<std::int64_t>(columns.spans.size()));
    c.row_per_out = rows.in_per_out;
    c.row_per_tap = rows.in_per_tap;
    c.column_per_out = columns.in_per_out;
    c.column_per_tap = columns.in_per_tap;
    const Blocks blocks = choose_block(kernels, channels_to, rows, columns);
    c.block = blocks.size;
    clocks = c.groups * c.in_channels * blocks.clocks;
    cut_chains(op, c);
    c.chunk_taps = 512;
    c.row_end = narrow(to.height);
    c.band_rows = choose_band(channels_from, from.width, row_step);
    c.w_tap = c.block;
    c.w_channel = taps * c.w_tap;
    c.w_block = channels_from * c.w_channel;
    c.w_group = ceil_div(channels_to, c.block) * c.w_block;
    return c;
  };
  forward_ = correlation(in, out, group_in, group_out, rows_, columns_, op.stride.height, forward_clocks_);
  backward_ = correlation(out, in, group_out, group_in, back_rows_, back_columns_, 1, backward_clocks_);

  gradient_ = weight_gradient_of(op, kTile);
}

void Conv2dTile::pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  pack_weights(op_, Direction::Forward, forward_, o0, o1, w, packed);
}

void Conv2dTile::pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  pack_weights(op_, Direction::Backward, backward_, o0, o1, w, packed);
}

void Conv2dTile::forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const {
  Correlation c = forward_;
  c.after = after;
  c.rows = rows_.spans.data();
  c.columns = columns_.spans.data();
  correlate(c, x, packed, bias, y);
}

void Conv2dTile::input_gradient(const float* dy, const float* packed, float* dx) const {
  Correlation c = backward_;
  c.rows = back_rows_.spans.data();
  c.columns = back_columns_.spans.data();
  correlate(c, dy, packed, nullptr, dx);
}

// Where many weights meet many rectangles, a few output channels at a time: their weights stay in L2 for all of these.
void Conv2dTile::correlate(const Correlation& c, const float* x, const float* packed, const float* bias,
                           float* y) const {
  constexpr std::int64_t kWeights = (512 << 10) / sizeof(float);
  const std::int64_t blocks = std::max<std::int64_t>(1, kWeights / c.w_block), step = blocks * c.block;
  if (c.groups > 1 || c.row_spans * c.column_spans == 1 || step >= c.out_channels) {
    return kernels_->correlate(c, x, packed, bias, y);
  }
  for (std::int64_t o = 0; o < c.out_channels; o += step) {
    Correlation part = c;
    part.out_channels = static_cast<std::int32_t>(std::min(step, c.out_channels - o));
    kernels_->correlate(part, x, packed + o / c.block * c.w_block, bias ? bias + o : nullptr, y + o * c.y_channel);
  }
}

void Conv2dTile::weight_gradient(int images, const float* dy, const float* x, float* room, float* dw, float* db) const {
  WeightGradient g = gradient_;
  g.images = images;
  kernels_->weight_gradient(g, dy, x, room, dw, db);
}

}  // namespace convlet
