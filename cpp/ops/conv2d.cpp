#include <algorithm>
#include <optional>

#include "isa/dispatch.h"
#include "ops/conv2d_gradient.h"
#include "ops/conv2d_image.h"
#include "ops/conv2d_tile.h"
#include "ops/ops.h"
#include "ops/tiles.h"

namespace convlet::ops {
namespace {

// A tile that outgrows a core's L2 cache waits for its memory.
bool fits_cache(const Conv2d& op) {
  constexpr std::int64_t kBytes = 2 << 20;
  return (op.in.size() + op.out().size()) * kTile * std::int64_t{sizeof(float)} <= kBytes;
}

// How a batch is split: full tiles of 16 images first, then image by image.
struct Split {
  std::int64_t tiles, images;  // of the latter: first tiles * 16, or all
};

// Tiles where they take less time than their images one by one; what is left over of a batch is a tile too where that
// takes less.
Split split_of(const Conv2d& op, double image_clocks, double tile_clocks, std::int64_t images) {
  if (!fits_cache(op) || tile_clocks >= kTile * image_clocks) return {0, images};
  const bool last = tile_clocks < static_cast<double>(images % kTile) * image_clocks;
  const std::int64_t tiles = images / kTile + (last ? 1 : 0);
  return {tiles, std::max<std::int64_t>(0, images - tiles * kTile)};
}

// Bands of images from `first` on, x -> y, as pieces of work.
class ImagePieces {
 public:
  ImagePieces(const ImagePass& pass, std::int64_t first, std::int64_t images)
      : pass_(pass),
        first_(first),
        images_(images),
        together_(std::clamp<std::int64_t>(ceil_div(images, Pool::shared().size()), 1, pass.together())) {}

  std::int64_t count() const { return ceil_div(images_, together_) * pass_.bands(); }

  // in, out: floats of an image.
  void run(std::int64_t piece, std::int64_t in, std::int64_t out, const float* x, const float* w, const float* bias,
           float* y) const {
    const std::int64_t group = piece / pass_.bands() * together_, images = std::min(together_, images_ - group);
    float* rows = scratch(Scratch::Y, static_cast<std::size_t>(images * pass_.scratch()));
    pass_.run(piece % pass_.bands(), images, x + (first_ + group) * in, w, bias, rows, y + (first_ + group) * out);
  }

 private:
  const ImagePass& pass_;
  std::int64_t first_, images_, together_;
};

}  // namespace

void conv2d(const Conv2d& op, std::int64_t images, const float* x, const float* w, const float* bias, float* y) {
  const Kernels& k = kernels();
  const ImagePass pass(op, Direction::Forward, k);
  const Conv2dTile tile(op, k);
  const Split split = split_of(op, pass.clocks(), tile.forward_clocks(), images);
  const std::int64_t in = op.in.size(), out = op.out().size();
  Buffer tile_weights, image_weights;
  if (split.tiles) {
    tile.pack_forward(w, 0, op.out_channels, tile_weights.reserve(static_cast<std::size_t>(tile.forward_weights())));
  }
  if (split.images) pass.pack(w, image_weights.reserve(static_cast<std::size_t>(pass.weights())));
  const ImagePieces single(pass, images - split.images, split.images);
  for_each_piece(split.tiles + single.count(), images * op.multiply_adds(), [&](std::int64_t piece) {
    if (piece >= split.tiles) return single.run(piece - split.tiles, in, out, x, image_weights.data(), bias, y);
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    pack_tile(k, x, images, in, piece, x_tile);
    tile.forward(x_tile, tile_weights.data(), bias, Activation::None, y_tile);
    unpack_tile(k, y_tile, images, out, piece, y);
  });
}

namespace {

// Those passes backward that go by tiles.
class BackwardTiles {
 public:
  BackwardTiles(const Conv2d& op, const Conv2dTile& tile, std::int64_t images, const float* w, bool dx, bool dw)
      : op_(op), tile_(tile), images_(images), dx_(dx), dw_(dw) {
    if (dx) tile.pack_backward(w, 0, op.out_channels, packed_.reserve(static_cast<std::size_t>(tile.backward_weights())));
    if (dw) slots_.reserve(static_cast<std::size_t>(tiles_of(images) * slot()));
  }

  std::int64_t count() const { return dx_ || dw_ ? tiles_of(images_) : 0; }

  void run(std::int64_t t, const float* dy, const float* x, float* dx) {
    const Kernels& k = kernels();
    const std::int64_t in = op_.in.size(), out = op_.out().size();
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    pack_tile(k, dy, images_, out, t, dy_tile);
    if (dw_) {
      float* x_tile = scratch(Scratch::X, in * kTile);
      float* sums = scratch(Scratch::Lanes, op_.gradient_sums() * kTile);
      float* own = slots_.data() + t * slot();
      pack_tile(k, x, images_, in, t, x_tile);
      tile_.weight_gradient(images_of(t, images_), dy_tile, x_tile, sums, own, own + op_.weights());
    }
    if (dx_) {
      float* dx_tile = scratch(Scratch::Dx, in * kTile);
      tile_.input_gradient(dy_tile, packed_.data(), dx_tile);
      unpack_tile(k, dx_tile, images_, in, t, dx);
    }
  }

  // After all of them.
  void sum(float* dw, float* db) const {
    if (!dw_) return;
    sum_slots(kernels(), slots_.data(), tiles_of(images_), slot(), op_.weights(), dw);
    sum_slots(kernels(), slots_.data() + op_.weights(), tiles_of(images_), slot(), op_.out_channels, db);
  }

 private:
  std::int64_t slot() const { return op_.weights() + op_.out_channels; }

  const Conv2d& op_;
  const Conv2dTile& tile_;
  std::int64_t images_;
  bool dx_, dw_;
  Buffer packed_, slots_;
};

// Whether the weight gradient goes by tiles. By image it has output channels in the lanes, and takes a little longer for
// each that it fills (32 to 64 channels of 14x14, 5x5: 1.08 times), but for single pixels and strides (1.3 times less).
bool gradient_by_tile(const Conv2d& op, std::int64_t images) {
  constexpr double kDense = 0.9, kSparse = 1.3;
  const double filled = filled_lanes(op.out_channels / op.groups);
  if (!fits_cache(op)) return filled < 0.3 && images >= kTile / 4;
  const bool dense = op.kernel.height * op.kernel.width > 1 && op.stride.height == 1 && op.stride.width == 1;
  return (dense ? kDense : kSparse) * filled < filled_lanes(images);
}

}  // namespace

void conv2d_backward(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db) {
  const Kernels& k = kernels();
  const ImagePass pass(op, Direction::Backward, k);
  const Conv2dTile tile(op, k);
  const Conv2dGradient gradient(op, k);
  const double by_image = pass.clocks() * static_cast<double>(images);
  const double by_tile = tile.backward_clocks() * static_cast<double>(tiles_of(images));
  const bool dx_by_tile = fits_cache(op) && by_tile < by_image, dw_by_tile = gradient_by_tile(op, images);
  BackwardTiles tiles(op, tile, images, w, dx_by_tile, dw_by_tile);
  Buffer packed;
  if (!dx_by_tile) pass.pack(w, packed.reserve(static_cast<std::size_t>(pass.weights())));
  const ImagePieces input(pass, 0, images);
  const std::int64_t gradients = dw_by_tile ? 0 : gradient.pieces(), inputs = dx_by_tile ? 0 : input.count();
  for_each_piece(gradients + inputs + tiles.count(), 2 * images * op.multiply_adds(), [&](std::int64_t piece) {
    if (piece < gradients) return gradient.run(piece, images, dy, x, dw, db);
    piece -= gradients;
    if (piece < inputs) return input.run(piece, op.out().size(), op.in.size(), dy, packed.data(), nullptr, dx);
    tiles.run(piece - inputs, dy, x, dx);
  });
  tiles.sum(dw, db);
}

}  // namespace convlet::ops
