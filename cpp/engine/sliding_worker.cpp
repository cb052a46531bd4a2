#include "engine/sliding_worker.h"

#include <algorithm>

namespace convlet {
namespace {

constexpr std::int64_t kChunkVectors = 512;  // 32 KiB: of the input of a chunk's taps, so that it stays in the L1 cache

struct Range {
  std::int64_t c0, c1, t0, t1;  // channels, and taps of each
  bool first, last;
};

// f(range) for pieces of about `limit` taps in order: some channels, or a part of one. `taps` of each channel;
// `counted` for the limit.
template <class F>
void for_each_range(const Range& all, std::int64_t counted, std::int64_t limit, F&& f) {
  const std::int64_t taps = all.t1 - all.t0;
  const std::int64_t channels = counted > limit ? 1 : limit / std::max<std::int64_t>(1, counted);
  const std::int64_t some = counted > limit ? limit : std::max<std::int64_t>(1, taps);
  for (std::int64_t c = all.c0; c < all.c1; c += channels) {
    std::int64_t t = all.t0;
    do {
      const std::int64_t c1 = std::min(c + channels, all.c1), t1 = std::min(t + some, all.t1);
      f(Range{c, c1, t, t1, c == all.c0 && t == all.t0, c1 == all.c1 && t1 == all.t1});
      t += some;
    } while (t < all.t1);
  }
}

bool is_activation(LayerKind kind) { return activation_of(kind) != Activation::None; }

}  // namespace

void Sliding::Worker::run(const Piece& piece, Stop& stop, bool is_caller) {
  if (!arena_.data()) {
    // Numbers that no window needs are computed with too; zeros keep them from being subnormal, which is slow.
    std::fill_n(arena_.reserve(static_cast<std::size_t>(sliding_->arena_)), sliding_->arena_, 0.0f);
  }
  piece_ = piece;
  for (const Job& job : sliding_->jobs_) {
    if (is_caller) stop.ask(At::Tile);
    if (stop.wanted()) return;
    const Stage& stage = sliding_->stages_[static_cast<std::size_t>(job.stage)];
    const std::int64_t columns = piece.columns + (*stage.columns)[static_cast<std::size_t>(job.column)].extra;
    const Extent extent{piece.rows + (*stage.rows)[static_cast<std::size_t>(job.row)].extra, columns,
                        ceil_div(columns, kTile)};
    compute(stage, job, extent, arena_.data() + stage.memory + job.slot * stage.channels * stage.plane);
  }
  const Stage& last = sliding_->stages_.back();
  save(arena_.data() + last.memory + sliding_->jobs_.back().slot * last.channels * last.plane);
}

void Sliding::Worker::compute(const Stage& stage, const Job& job, const Extent& extent, float* y) {
  std::size_t done = 0;  // of what changes the outputs in place
  if (!stage.layer) {
    load(stage, job, extent, y);
  } else {
    const Stage& before = *stage.before;
    const SlidingLayer& layer = *stage.layer;
    SlidingPlane plane{};
    plane.taps = sliding_->taps_.data() + job.taps;
    plane.tap_count = static_cast<std::int32_t>(job.tap_count);
    plane.in_channels = static_cast<std::int32_t>(before.channels);
    plane.out_channels = static_cast<std::int32_t>(stage.channels);
    plane.rows = static_cast<std::int32_t>(extent.rows);
    plane.vectors = static_cast<std::int32_t>(extent.vectors);
    plane.x_channel = before.plane;
    plane.x_row = before.pitch;
    plane.y_channel = stage.plane;
    plane.y_row = stage.pitch;
    plane.block = stage.block;
    plane.w_channel = stage.w_channel;
    plane.w_block = stage.w_block;
    const float* x = arena_.data() + before.memory;
    if (layer.kind == LayerKind::Conv2d) {
      if (!stage.then.empty() && is_activation(stage.then[0]->kind)) {
        plane.after = activation_of(stage.then[0]->kind);
        done = 1;
      }
      convolve(stage, plane, y);
    } else if (layer.kind == LayerKind::MaxPool2d) {
      sliding_->kernels_->slide_max(plane, x, y);
    } else {
      const std::int64_t cells = (*stage.rows)[static_cast<std::size_t>(job.row)].cells *
                                 (*stage.columns)[static_cast<std::size_t>(job.column)].cells;
      sliding_->kernels_->slide_average(plane, static_cast<float>(layer.divisor ? layer.divisor : cells), x, y);
    }
  }
  for (; done < stage.then.size(); ++done) apply(*stage.then[done], stage, extent, y);
}

// The plane of a convolution, group by group. What chains are cut into is added in `part_`.
void Sliding::Worker::convolve(const Stage& stage, const SlidingPlane& whole, float* y) {
  const Kernels& k = *sliding_->kernels_;
  const SlidingLayer& layer = *stage.layer;
  const std::int64_t inputs = whole.in_channels / layer.groups, outputs = whole.out_channels / layer.groups;
  const std::int64_t area = layer.kernel.height * layer.kernel.width;
  const std::int64_t positions =
      block_width(k.registers, static_cast<int>(std::min<std::int64_t>(stage.block, outputs)));
  SlidingPlane plane = whole;
  plane.out_channels = static_cast<std::int32_t>(outputs);
  for (std::int64_t g = 0; g < layer.groups; ++g) {
    const float* x = arena_.data() + stage.before->memory + g * inputs * whole.x_channel;
    const float* w = stage.weights.data() + g * stage.w_group;
    float* sums = y + g * outputs * whole.y_channel;
    const Range all{0, inputs, 0, whole.tap_count, true, true};
    for_each_range(all, area, kChain, [&](const Range& part) {
      float* chain = part.first ? sums : part_.reserve(static_cast<std::size_t>(outputs * whole.y_channel));
      for_each_range(part, part.t1 - part.t0, kChunkVectors / positions, [&](const Range& chunk) {
        plane.taps = whole.taps + chunk.t0;
        plane.tap_count = static_cast<std::int32_t>(chunk.t1 - chunk.t0);
        plane.in_channels = static_cast<std::int32_t>(chunk.c1 - chunk.c0);
        plane.after = part.first && part.last && chunk.last ? whole.after : Activation::None;
        k.slide(plane, chunk.first ? Chain::Begin : Chain::Resume, x + chunk.c0 * whole.x_channel,
                w + chunk.c0 * stage.w_channel, part.first && layer.bias ? layer.bias + g * outputs : nullptr, chain);
      });
      if (part.first) return;
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < whole.rows; ++i) {
          const std::int64_t at = o * whole.y_channel + i * whole.y_row;
          k.add(chain + at, whole.vectors * kTile, sums + at);
          if (part.last) k.activate(whole.after, sums + at, whole.vectors * kTile, sums + at);
        }
      }
    });
  }
}

void Sliding::Worker::apply(const SlidingLayer& layer, const Stage& stage, const Extent& extent, float* y) const {
  const Kernels& k = *sliding_->kernels_;
  const std::int64_t count = extent.vectors * kTile;
  for (std::int64_t i = 0; i < extent.rows; ++i) {
    float* row = y + i * stage.pitch;
    if (layer.kind == LayerKind::Softmax || layer.kind == LayerKind::LogSoftmax) {
      const auto kernel = layer.kind == LayerKind::Softmax ? k.softmax : k.log_softmax;
      for (std::int64_t j = 0; j < count; j += kTile) kernel(row + j, stage.channels, stage.plane, row + j);
      continue;
    }
    for (std::int64_t c = 0; c < stage.channels; ++c) {
      float* values = row + c * stage.plane;
      if (layer.kind == LayerKind::Normalize) {
        const auto channel = static_cast<std::size_t>(c);
        k.normalize(values, count, layer.mean[channel], layer.std[channel], values);
      } else if (is_activation(layer.kind)) {
        k.activate(activation_of(layer.kind), values, count, values);
      }
    }
  }
}

// The pixels of the picture that lie a step apart, down and across.
void Sliding::Worker::load(const Stage& stage, const Job& job, const Extent& extent, float* y) const {
  const Pair& step = sliding_->net_->step;
  const Image& size = picture_->size;
  const std::int64_t top = picture_->top + piece_.top * step.height + job.row;
  const std::int64_t left = picture_->left + piece_.left * step.width + job.column;
  for (std::int64_t c = 0; c < stage.channels; ++c) {
    for (std::int64_t i = 0; i < extent.rows; ++i) {
      const std::int64_t first = (c * size.height + top + i * step.height) * size.width + left;
      float* row = y + c * stage.plane + i * stage.pitch;
      if (picture_->bytes) {
        const auto* pixels = static_cast<const std::uint8_t*>(picture_->data) + first;
        for (std::int64_t j = 0; j < extent.columns; ++j) row[j] = static_cast<float>(pixels[j * step.width]) / 255.0f;
      } else {
        const auto* pixels = static_cast<const float*>(picture_->data) + first;
        for (std::int64_t j = 0; j < extent.columns; ++j) row[j] = pixels[j * step.width];
      }
    }
  }
}

void Sliding::Worker::save(const float* y) const {
  const Stage& last = sliding_->stages_.back();
  for (std::int64_t c = 0; c < last.channels; ++c) {
    for (std::int64_t i = 0; i < piece_.rows; ++i) {
      const float* row = y + c * last.plane + i * last.pitch;
      std::copy_n(row, piece_.columns,
                  scores_ + (c * sliding_->rows_ + piece_.top + i) * sliding_->columns_ + piece_.left);
    }
  }
}

}  // namespace convlet
