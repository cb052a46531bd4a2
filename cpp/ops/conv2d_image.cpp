#include "ops/conv2d_image.h"

#include <algorithm>

#include "ops/blocking.h"

namespace convlet {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

// Whether every output sees the one pixel at its own place, so that rows of pixels may be cut anywhere.
bool sees_one_pixel(const Conv2d& op) {
  const auto ones = [](const Pair& p) { return p.height == 1 && p.width == 1; };
  const Padding& p = op.padding;
  return ones(op.kernel) && ones(op.stride) && p.top == 0 && p.bottom == 0 && p.left == 0 && p.right == 0;
}

}  // namespace

ImagePass::ImagePass(const Conv2d& op, Direction direction, const Kernels& kernels)
    : op_(op), direction_(direction), kernels_(&kernels) {
  const bool forward = direction == Direction::Forward;
  from_ = forward ? op.in : op.out();
  to_ = forward ? op.out() : op.in;
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  Correlation& c = correlation_;
  c.groups = narrow(op.groups);
  c.in_channels = narrow(from_.channels / op.groups);
  c.kernel_height = narrow(op.kernel.height);
  c.kernel_width = narrow(op.kernel.width);
  c.x_channel = from_.plane();
  c.x_column = 1;
  cut_chains(op, c);
  choose_lanes();
  Image in = op.in, out = op.out();
  if (lanes_ == Lanes::Columns && sees_one_pixel(op)) {
    in.height = out.height = ceil_div(to_.plane(), kTile);
    in.width = out.width = kTile;
  }
  height_ = forward ? out.height : in.height;
  width_ = forward ? out.width : in.width;
  const auto axis = forward ? forward_axis : backward_axis;
  rows_ = axis(in.height, out.height, op.kernel.height, op.stride.height, op.dilation.height, op.padding.top);
  columns_ = axis(in.width, out.width, op.kernel.width, op.stride.width, op.dilation.width, op.padding.left);
  c.x_row = forward ? in.width : out.width;
  c.row_spans = narrow(static_cast<std::int64_t>(rows_.spans.size()));
  c.column_spans = narrow(static_cast<std::int64_t>(columns_.spans.size()));
  c.row_per_out = rows_.in_per_out;
  c.row_per_tap = rows_.in_per_tap;
  c.column_per_out = columns_.in_per_out;
  c.column_per_tap = columns_.in_per_tap;
  c.column_origin = narrow(forward ? -op.padding.left : op.padding.left);
  if (lanes_ == Lanes::Channels) {
    plan_channels();
  } else {
    plan_columns();
  }
}

// Columns fill the lanes best where rows are long and channels few; their loads straddle cache lines and their masks
// take time. They need neighbouring inputs for neighbouring outputs, and chains that are not cut. With kernels of one
// pixel a row is as long as the plane. Outputs of channels go through scratch memory to their planes, which takes as
// long as some 36 taps (3 to 32 channels of 32x32, 3x3: with columns 1.6 times as fast).
void ImagePass::choose_lanes() {
  constexpr double kWayOfOutputs = 36;
  const Correlation& c = correlation_;
  const auto taps = std::int64_t{c.in_channels} * c.kernel_height * c.kernel_width;
  if (op_.stride.width != 1 || taps > kChain) return;
  const double channels =
      filled_lanes(to_.channels / op_.groups) * static_cast<double>(taps) / (static_cast<double>(taps) + kWayOfOutputs);
  const std::int64_t row = sees_one_pixel(op_) ? to_.plane() : to_.width;
  if (speed_of_masks() * filled_lanes(row) > channels) lanes_ = Lanes::Columns;
}

double ImagePass::speed_of_masks() const { return sees_one_pixel(op_) && to_.plane() % kTile == 0 ? 1.0 : 0.8; }

void ImagePass::plan_channels() {
  constexpr std::int64_t kBandBytes = 128 << 10, kWeightBytes = 24 << 10;
  Correlation& c = correlation_;
  c.out_channels = static_cast<std::int32_t>(ceil_div(to_.channels / op_.groups, kTile));
  const Blocks blocks = choose_vectors(*kernels_, c.out_channels, rows_, columns_);
  c.block = blocks.size;
  constexpr double kOut = 18;  // clocks of a vector of outputs on its way to the planes
  clocks_ = c.groups * c.in_channels * blocks.clocks + kOut * static_cast<double>(vectors() * to_.plane());
  c.chunk_taps = static_cast<std::int32_t>(kWeightBytes / (c.block * kTile * kFloat));
  c.y_row = width_ * kTile;
  c.w_tap = kTile;
  c.w_channel = op_.kernel.height * op_.kernel.width * kTile;
  c.w_vector = c.in_channels * c.w_channel;
  c.w_block = c.block * c.w_vector;
  c.w_group = c.out_channels * c.w_vector;
  const std::int64_t row_bytes = vectors() * c.y_row * kFloat;
  c.band_rows = static_cast<std::int32_t>(std::clamp<std::int64_t>(kBandBytes / row_bytes, 1, height_));
  // Images run together where they share weights too many for the L2 cache; and where each by itself has corners of
  // single pixels, which then fill registers side by side (3x3 on 16x16: 1.03 times as fast, 7x7: 1.27 times).
  constexpr std::int64_t kSharedBytes = 512 << 10, kCornerImages = 4;
  const std::int64_t out_bytes = vectors() * c.band_rows * c.y_row * kFloat;
  if (weights() * kFloat > kSharedBytes / 2) {
    together_ = std::clamp<std::int64_t>(kSharedBytes / out_bytes, 1, kTile);
  } else if (c.row_spans > 1 && c.column_spans > 1) {
    together_ = std::clamp<std::int64_t>(kSharedBytes / (from_.size() * kFloat + out_bytes), 1, kCornerImages);
  }
}

void ImagePass::plan_columns() {
  constexpr std::int64_t kBandBytes = 256 << 10;
  constexpr Span kPoint{0, 1, 1, 0, 1, 1, 0};
  Correlation& c = correlation_;
  c.out_channels = static_cast<std::int32_t>(to_.channels / op_.groups);
  const Blocks blocks = choose_block(*kernels_, c.out_channels, rows_, Axis{{kPoint}, 1, 1});
  c.block = std::min(8, blocks.size);
  constexpr double kOut = 7;  // clocks of a vector of outputs besides its taps
  const double vectors = static_cast<double>(ceil_div(width_, kTile));  // of a row
  clocks_ = c.groups * vectors *
            (c.in_channels * c.kernel_width * blocks.clocks / speed_of_masks() +
             kOut * c.out_channels * static_cast<double>(height_));
  c.chunk_taps = 512;
  c.y_channel = to_.plane();
  c.y_row = width_;
  c.w_tap = c.block;
  c.w_channel = op_.kernel.height * op_.kernel.width * c.w_tap;
  c.w_block = c.in_channels * c.w_channel;
  c.w_group = ceil_div(c.out_channels, c.block) * c.w_block;
  // Rows of 64 planes and more that lie a power of two apart push each other out of the L1 cache, so that each block of
  // output channels would fetch them anew: gathered they make 64 to 64 channels 1.08 times as fast, 128 to 128 1.13.
  constexpr int kManyChannels = 64;
  const bool many = c.in_channels >= kManyChannels && c.out_channels >= kManyChannels;
  if (sees_one_pixel(op_) && many) gathered_rows_ = 6;
  const std::int64_t row_bytes = (c.in_channels * c.x_row + c.out_channels * c.y_row) * kFloat;
  c.band_rows = static_cast<std::int32_t>(std::clamp<std::int64_t>(kBandBytes / row_bytes, 1, height_));
}

void ImagePass::share_out(int bands) {
  const auto rows = static_cast<std::int32_t>(ceil_div(std::max<std::int64_t>(1, height_), bands));
  correlation_.band_rows = std::min(correlation_.band_rows, rows);
}

std::int64_t ImagePass::scratch() const {
  if (lanes_ == Lanes::Columns) return from_.channels * gathered_rows_ * width_;
  return correlation_.block * (kTile + correlation_.band_rows * correlation_.y_row);  // biases, outputs
}

void ImagePass::pack(const float* w, float* packed) const {
  if (lanes_ == Lanes::Channels) {
    pack_vectors(op_, direction_, correlation_, *kernels_, w, packed);
  } else {
    pack_weights(op_, direction_, correlation_, 0, op_.out_channels, w, packed);
  }
}

void ImagePass::run(std::int64_t band, std::int64_t images, const float* x, const float* w, const float* bias,
                    float* scratch, float* y) const {
  Correlation c = correlation_;
  c.rows = rows_.spans.data();
  c.columns = columns_.spans.data();
  c.row_begin = static_cast<std::int32_t>(band * c.band_rows);
  c.row_end = static_cast<std::int32_t>(std::min<std::int64_t>(c.row_begin + c.band_rows, height_));
  if (lanes_ == Lanes::Channels) return run_channels(c, images, x, w, bias, scratch, y);
  for (std::int64_t n = 0; n < images; ++n) run_columns(c, x + n * from_.size(), w, bias, scratch, y + n * to_.size());
}

// A block of vectors of 16 channels in the scratch memory, from there to their planes, then the next block.
void ImagePass::run_channels(Correlation c, std::int64_t images, const float* x, const float* w, const float* bias,
                             float* scratch, float* y) const {
  const std::int64_t size = std::int64_t{c.row_end - c.row_begin} * to_.width, outputs = to_.channels / op_.groups;
  const std::int64_t all = c.out_channels, first_position = c.row_begin * to_.width;
  c.groups = 1;
  c.y_channel = size * kTile;
  c.images = static_cast<std::int32_t>(images);
  c.x_image = from_.size();
  float *start = scratch, *sums = scratch + c.block * kTile;
  for (std::int64_t v = 0; v < vectors(); v += c.out_channels) {
    const std::int64_t g = v / all, o = g * outputs + v % all * kTile;  // the first output channel
    c.out_channels = static_cast<std::int32_t>(std::min<std::int64_t>(c.block, all - v % all));
    c.y_image = c.out_channels * c.y_channel;
    const std::int64_t channels = std::min(std::int64_t{c.out_channels} * kTile, (g + 1) * outputs - o);
    if (bias) std::fill(std::copy_n(bias + o, channels, start), start + c.out_channels * kTile, 0.0f);
    kernels_->correlate_channels(c, Chain::Begin, x + g * c.in_channels * c.x_channel,
                                 w + g * c.w_group + v % all / c.block * c.w_block, bias ? start : nullptr, sums);
    for (std::int64_t n = 0; n < images; ++n) {
      for (std::int64_t i = 0; i < c.out_channels; ++i) {
        float* planes[kTile] = {};
        for (std::int64_t k = 0; k < std::min<std::int64_t>(kTile, channels - i * kTile); ++k) {
          planes[k] = y + n * to_.size() + (o + i * kTile + k) * to_.plane() + first_position;
        }
        kernels_->unpack(sums + n * c.y_image + i * c.y_channel, size, planes);
      }
    }
  }
}

void ImagePass::run_columns(Correlation c, const float* x, const float* w, const float* bias, float* scratch,
                            float* y) const {
  const std::int64_t whole = to_.plane() / width_, end = std::min<std::int64_t>(c.row_end, whole);
  if (c.row_end > whole) {  // the last row of a plane that was cut anew is short
    Correlation last = c;
    last.row_begin = 0;
    last.row_end = 1;
    last.x_row = last.y_row = to_.plane() % width_;
    kernels_->correlate_columns(last, x + whole * width_, w, bias, y + whole * width_);
    c.row_end = static_cast<std::int32_t>(end);
  }
  if (c.row_begin >= end) return;
  if (gathered_rows_ == 0) return kernels_->correlate_columns(c, x, w, bias, y);
  c.x_channel = gathered_rows_ * width_;
  for (std::int64_t row = c.row_begin; row < end; row += gathered_rows_) {
    const std::int64_t rows = std::min(gathered_rows_, end - row);
    for (std::int64_t i = 0; i < from_.channels; ++i) {
      std::copy_n(x + i * from_.plane() + row * width_, rows * width_, scratch + i * c.x_channel);
    }
    Correlation part = c;
    part.row_begin = 0;
    part.row_end = static_cast<std::int32_t>(rows);
    kernels_->correlate_columns(part, scratch, w, bias, y + row * width_);
  }
}

}  // namespace convlet
