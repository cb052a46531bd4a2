#include "ops/conv2d_channels.h"

#include <algorithm>

#include "ops/blocking.h"

namespace convlet {
namespace {

Axis rows_forward(const Conv2d& op) {
  return forward_axis(op.in.height, op.out().height, op.kernel.height, op.stride.height, op.dilation.height,
                      op.padding.top);
}

Axis columns_forward(const Conv2d& op) {
  return forward_axis(op.in.width, op.out().width, op.kernel.width, op.stride.width, op.dilation.width,
                      op.padding.left);
}

Axis rows_backward(const Conv2d& op) {
  return backward_axis(op.in.height, op.out().height, op.kernel.height, op.stride.height, op.dilation.height,
                       op.padding.top);
}

Axis columns_backward(const Conv2d& op) {
  return backward_axis(op.in.width, op.out().width, op.kernel.width, op.stride.width, op.dilation.width,
                       op.padding.left);
}

// Up to 16 rows of a matrix as the lanes of one tile; missing ones are zeros.
void pack_rows(const Kernels& k, const float* first, std::int64_t stride, std::int64_t rows, std::int64_t size,
               float* tile) {
  const float* lanes[kTile] = {};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(kTile, rows); ++i) lanes[i] = first + i * stride;
  k.pack_floats(lanes, size, tile);
}

}  // namespace

ChannelPass::ChannelPass(const Conv2d& op, const Image& from, const Image& to, Axis rows, Axis columns,
                         const Kernels& kernels)
    : to_(to), kernels_(&kernels), rows_(std::move(rows)), columns_(std::move(columns)) {
  constexpr std::int64_t kBandBytes = 128 << 10, kWeightBytes = 24 << 10;
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  Correlation& c = correlation_;
  const std::int64_t taps = op.kernel.height * op.kernel.width;
  c.groups = narrow(op.groups);
  c.in_channels = narrow(from.channels / op.groups);
  c.out_channels = narrow(ceil_div(to.channels / op.groups, kTile));
  c.kernel_height = narrow(op.kernel.height);
  c.kernel_width = narrow(op.kernel.width);
  c.x_channel = from.plane();
  c.x_row = from.width;
  c.x_column = 1;
  c.y_row = to.width * kTile;
  c.row_spans = narrow(static_cast<std::int64_t>(rows_.spans.size()));
  c.column_spans = narrow(static_cast<std::int64_t>(columns_.spans.size()));
  c.row_per_out = rows_.in_per_out;
  c.row_per_tap = rows_.in_per_tap;
  c.column_per_out = columns_.in_per_out;
  c.column_per_tap = columns_.in_per_tap;
  c.block = choose_vectors(kernels, c.out_channels, rows_, columns_);
  cut_chains(op, c);
  c.chunk_taps = narrow(kWeightBytes / (c.block * kTile * std::int64_t{sizeof(float)}));
  c.w_tap = kTile;
  c.w_channel = taps * kTile;
  c.w_vector = c.in_channels * c.w_channel;
  c.w_block = c.block * c.w_vector;
  c.w_group = c.out_channels * c.w_vector;
  const std::int64_t row_bytes = vectors() * to.width * kTile * std::int64_t{sizeof(float)};
  band_rows_ = std::clamp<std::int64_t>(kBandBytes / std::max<std::int64_t>(1, row_bytes), 1, to.height);
  c.band_rows = narrow(band_rows_);
}

void ChannelPass::run(std::int64_t band, const float* x, const float* w, const float* bias, float* scratch,
                      float* y) const {
  const std::int64_t first = band * band_rows_, rows = std::min(band_rows_, to_.height - first);
  const std::int64_t size = rows * to_.width, outputs = to_.channels / correlation_.groups;
  Correlation c = correlation_;
  c.rows = rows_.spans.data();
  c.columns = columns_.spans.data();
  c.row_begin = static_cast<std::int32_t>(first);
  c.row_end = static_cast<std::int32_t>(first + rows);
  c.y_channel = size * kTile;
  for (std::int64_t v = 0; v < vectors(); ++v) {
    const std::int64_t channel = v % c.out_channels * kTile;
    alignas(64) float start[kTile] = {};
    if (bias) {
      const float* own = bias + v / c.out_channels * outputs + channel;
      std::copy(own, own + std::min<std::int64_t>(kTile, outputs - channel), start);
    }
    kernels_->repeat(start, size, scratch + v * c.y_channel);
  }
  kernels_->correlate_channels(c, x, w, scratch);
  for (std::int64_t v = 0; v < vectors(); ++v) {
    const std::int64_t channel = v % c.out_channels * kTile;
    float* planes[kTile] = {};
    for (std::int64_t i = 0; i < std::min<std::int64_t>(kTile, outputs - channel); ++i) {
      planes[i] = y + (v / c.out_channels * outputs + channel + i) * to_.plane() + first * to_.width;
    }
    kernels_->unpack(scratch + v * c.y_channel, size, planes);
  }
}

Conv2dChannels::Conv2dChannels(const Conv2d& op, const Kernels& kernels)
    : op_(op),
      kernels_(&kernels),
      forward_(op, op.in, op.out(), rows_forward(op), columns_forward(op), kernels),
      backward_(op, op.out(), op.in, rows_backward(op), columns_backward(op), kernels) {}

// (O, C, KH, KW) -> for each group: (O / 16, C, KH, KW, 16)
void Conv2dChannels::pack_forward(const float* w, float* packed) const {
  const std::int64_t size = op_.channels_of_group() * op_.kernel.height * op_.kernel.width;
  const std::int64_t outputs = op_.out_channels / op_.groups;
  for (std::int64_t g = 0; g < op_.groups; ++g) {
    for (std::int64_t o = 0; o < outputs; o += kTile) {
      pack_rows(*kernels_, w + (g * outputs + o) * size, size, outputs - o, size,
                packed + g * forward_.group_stride() + o / kTile * forward_.vector_stride());
    }
  }
}

// (O, C, KH, KW) -> for each group: (C / 16, O, KH, KW, 16)
void Conv2dChannels::pack_backward(const float* w, float* packed) const {
  const std::int64_t taps = op_.kernel.height * op_.kernel.width, channels = op_.channels_of_group();
  const std::int64_t outputs = op_.out_channels / op_.groups;
  for (std::int64_t o = 0; o < op_.out_channels; ++o) {
    float* group = packed + o / outputs * backward_.group_stride() + o % outputs * taps * kTile;
    for (std::int64_t c = 0; c < channels; c += kTile) {
      pack_rows(*kernels_, w + (o * channels + c) * taps, taps, channels - c, taps,
                group + c / kTile * backward_.vector_stride());
    }
  }
}

}  // namespace convlet
