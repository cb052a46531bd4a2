#include "ops/conv2d_gradient.h"

#include <algorithm>
#include <cmath>

#include "ops/buffer.h"
#include "ops/tiles.h"

namespace convlet {
namespace {

constexpr std::int64_t kVectors = 4;  // of a piece: 64 output channels

// Fewer channels than this do not fill a block with the taps of one kernel row. Where rows of zeros stand for the
// padding, taps of all rows do.
constexpr std::int64_t kFewChannels = 6;

// Weights of an output channel in a piece: enough that bringing dy into vectors costs little beside them.
constexpr std::int64_t kWeights = 256;

}  // namespace

WeightGradient weight_gradient_of(const Conv2d& op, std::int64_t pixel) {
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  const auto axis = [&](std::int64_t in, std::int64_t out, std::int64_t taps, std::int64_t stride,
                        std::int64_t dilation, std::int64_t padding) {
    return TapAxis{narrow(in), narrow(out), narrow(taps), narrow(stride), narrow(dilation), narrow(padding)};
  };
  const Image in = op.in, out = op.out();
  WeightGradient g{};
  g.groups = narrow(op.groups);
  g.in_channels = narrow(op.channels_of_group());
  g.out_channels = narrow(op.out_channels / op.groups);
  g.x_channel = in.plane() * pixel;
  g.x_row = in.width * pixel;
  g.dy_channel = out.plane() * kTile;
  g.dy_row = out.width * kTile;
  g.rows = axis(in.height, out.height, op.kernel.height, op.stride.height, op.dilation.height, op.padding.top);
  g.columns = axis(in.width, out.width, op.kernel.width, op.stride.width, op.dilation.width, op.padding.left);
  g.together = narrow(op.gradient_channels());
  return g;
}

Conv2dGradient::Conv2dGradient(const Conv2d& op, const Kernels& kernels)
    : op_(op), kernels_(&kernels), gradient_(weight_gradient_of(op, 1)) {
  const std::int64_t taps = op.kernel.height * op.kernel.width;
  vector_parts_ = ceil_div(ceil_div(op.out_channels / op.groups, kTile), kVectors);
  if (op.channels_of_group() < kFewChannels && (op.padding.top || op.padding.bottom)) {
    tall_ = gradient_;
    TapAxis& rows = tall_->rows;
    rows.in = (rows.out - 1) * rows.stride + (rows.taps - 1) * rows.dilation + 1;
    rows.padding = 0;
    tall_->x_channel = rows.in * tall_->x_row;
  }
  channel_parts_ = ceil_div(op.channels_of_group(), std::max<std::int64_t>(1, ceil_div(kWeights, taps)));
}

// Channels of an image with rows of zeros in place of the padding above and below.
const float* Conv2dGradient::tall_image(const float* x, std::int64_t channels) const {
  const std::int64_t height = tall_->rows.in, width = op_.in.width;
  const std::int64_t top = std::min(height, op_.padding.top), end = std::min(height, top + op_.in.height);
  float* tall = scratch(Scratch::X, static_cast<std::size_t>(channels * height * width));
  for (std::int64_t c = 0; c < channels; ++c) {
    float* own = tall + c * height * width;
    std::fill_n(own, top * width, 0.0f);
    std::copy_n(x + c * op_.in.plane(), (end - top) * width, own + top * width);
    std::fill(own + end * width, own + height * width, 0.0f);
  }
  return tall;
}

void Conv2dGradient::run(std::int64_t piece, std::int64_t images, const float* dy, const float* x, float* dw,
                         float* db) const {
  const std::int64_t outputs = op_.out_channels / op_.groups, channels = op_.channels_of_group();
  const std::int64_t taps = op_.kernel.height * op_.kernel.width, plane = op_.out().plane();
  const std::int64_t group = piece / (vector_parts_ * channel_parts_);
  const std::int64_t vector_part = piece / channel_parts_ % vector_parts_, channel_part = piece % channel_parts_;
  const std::int64_t all_vectors = ceil_div(outputs, kTile);
  const std::int64_t v0 = all_vectors * vector_part / vector_parts_;
  const std::int64_t v1 = all_vectors * (vector_part + 1) / vector_parts_;
  const std::int64_t c0 = channels * channel_part / channel_parts_;
  const std::int64_t c1 = channels * (channel_part + 1) / channel_parts_;
  const std::int64_t size = (c1 - c0) * taps, vectors = v1 - v0, all = vectors * (size + 1) * kTile;
  constexpr std::int64_t kLevels = 6;  // of the tree of sums over a tile's images, and the sum over all tiles

  const auto part_of = [&](WeightGradient g) {
    g.groups = 1;
    g.in_channels = static_cast<std::int32_t>(c1 - c0);
    g.out_channels = static_cast<std::int32_t>(vectors);
    return g;
  };
  const WeightGradient g = part_of(gradient_);
  float* dy_vectors = scratch(Scratch::Dy, static_cast<std::size_t>(vectors * plane * kTile));
  float* totals = scratch(Scratch::Lanes, static_cast<std::size_t>(kLevels * all));
  const auto lanes_of = [&](std::int64_t v, auto* first, std::int64_t stride, auto** lanes) {
    for (std::int64_t i = 0; i < kTile; ++i) {
      const std::int64_t o = (v0 + v) * kTile + i;
      lanes[i] = o < outputs ? first + (group * outputs + o) * stride : nullptr;
    }
  };
  const auto add_image = [&](std::int64_t n, float* sums) {
    std::fill_n(sums, all, 0.0f);
    for (std::int64_t v = 0; v < vectors; ++v) {
      const float* planes[kTile];
      lanes_of(v, dy + n * op_.out_channels * plane, plane, planes);
      kernels_->pack_floats(planes, plane, dy_vectors + v * g.dy_channel);
    }
    const float* image = x + (n * op_.in.channels + group * channels + c0) * op_.in.plane();
    float* bias = sums + vectors * size * kTile;
    if (channel_part == 0 || tall_) kernels_->bias_gradient_channels(g, dy_vectors, plane, bias);
    if (tall_ && std::all_of(bias, bias + vectors * kTile, [](float b) { return std::isfinite(b); })) {
      kernels_->weight_gradient_channels(part_of(*tall_), dy_vectors, tall_image(image, c1 - c0), sums);
    } else {
      kernels_->weight_gradient_channels(g, dy_vectors, image, sums);
    }
  };
  // Images n, n + step, n + 2 step, ... of a tile, added as the kernels add lanes: (n + 8) first.
  const auto add_images = [&](const auto& self, std::int64_t n, std::int64_t step, std::int64_t tile,
                              float* sums) -> void {
    if (step == kTile) return add_image(tile + n, sums);
    self(self, n, 2 * step, tile, sums);
    if (tile + n + step >= images) return;
    self(self, n + step, 2 * step, tile, sums + all);
    kernels_->add(sums + all, all, sums);
  };
  std::fill_n(totals, all, 0.0f);
  for (std::int64_t tile = 0; tile < images; tile += kTile) {
    add_images(add_images, 0, 1, tile, totals + all);
    kernels_->add(totals + all, all, totals);
  }
  for (std::int64_t v = 0; v < vectors; ++v) {
    float* rows[kTile];
    lanes_of(v, dw + c0 * taps, channels * taps, rows);
    kernels_->unpack(totals + v * size * kTile, size, rows);
    if (channel_part != 0) continue;
    const float* bias = totals + (vectors * size + v) * kTile;
    const std::int64_t first = (v0 + v) * kTile;
    std::copy_n(bias, std::min<std::int64_t>(kTile, outputs - first), db + group * outputs + first);
  }
}

}  // namespace convlet
