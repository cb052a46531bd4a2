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

constexpr std::int64_t kCacheBytes = 1 << 20;  // of a tile that stays in a core's L2
constexpr std::int64_t kFewImages = 4;         // fewer are not worth the making of a tile's plan

std::int64_t tile_bytes(const Conv2d& op) {
  return (op.in.size() + op.out().size()) * kTile * std::int64_t{sizeof(float)};
}

// Whether tiles take less time, by the model of blocking.h, than images; beyond the cache they wait for memory.
bool tiles_win(const Conv2d& op, double tile_clocks, double image_clocks) {
  constexpr double kWaits = 1.1;
  if (tile_bytes(op) > 8 * kCacheBytes) return false;
  return (tile_bytes(op) > kCacheBytes ? kWaits : 1.0) * tile_clocks < image_clocks;
}

// How a batch is split: full tiles of 16 images first, then image by image.
struct Split {
  std::int64_t tiles, images;  // of the latter: first tiles * 16, or all
};

// Tiles where they take less time than their images one by one; what is left over of a batch is a tile too where that
// takes less.
Split split_of(const Conv2d& op, double tile_clocks, double image_clocks, std::int64_t images) {
  if (!tiles_win(op, tile_clocks, kTile * image_clocks)) return {0, images};
  const bool last = tiles_win(op, tile_clocks, static_cast<double>(images % kTile) * image_clocks);
  const std::int64_t tiles = images / kTile + (last ? 1 : 0);
  return {tiles, std::max<std::int64_t>(0, images - tiles * kTile)};
}

// Bands of images from `first` on, x -> y, as pieces of work; a few images that so many threads cannot share evenly are
// cut for them.
class ImagePieces {
 public:
  ImagePieces(ImagePass& pass, std::int64_t first, std::int64_t images, int threads)
      : pass_(pass),
        first_(first),
        images_(images),
        together_(std::clamp<std::int64_t>(ceil_div(images, Pool::shared().size()), 1, pass.together())) {
    if (images % threads != 0 && images < kFewImages * threads) {
      pass.share_out(threads);
      together_ = 1;
    }
  }

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
  ImagePass pass(op, Direction::Forward, k);
  std::optional<Conv2dTile> tile;
  Split split{0, images};
  if (images >= kFewImages) split = split_of(op, tile.emplace(op, k).forward_clocks(), pass.clocks(), images);
  const std::int64_t in = op.in.size(), out = op.out().size();
  Buffer tile_weights, image_weights;
  if (split.tiles) {
    tile->pack_forward(w, 0, op.out_channels, tile_weights.reserve(static_cast<std::size_t>(tile->forward_weights())));
  }
  if (split.images) pass.pack(w, image_weights.reserve(static_cast<std::size_t>(pass.weights())));
  const ImagePieces single(pass, images - split.images, split.images, threads_for(images * op.multiply_adds()));
  for_each_piece(split.tiles + single.count(), images * op.multiply_adds(), [&](std::int64_t piece) {
    if (piece >= split.tiles) return single.run(piece - split.tiles, in, out, x, image_weights.data(), bias, y);
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    pack_tile(k, x, images, in, piece, x_tile);
    tile->forward(x_tile, tile_weights.data(), bias, Activation::None, y_tile);
    unpack_tile(k, y_tile, images, out, piece, y);
  });
}

namespace {

// Whether the weight gradient goes by tiles. By image it has output channels in the lanes, and takes a little longer
// for each that it fills (32 to 64 channels of 14x14, 5x5: 1.13 times); less with padding where it has several vectors
// of them (16x16, 3x3: 0.92 times), with single pixels, strides, and tiles that outgrow the cache.
bool gradient_by_tile(const Conv2d& op, std::int64_t images) {
  constexpr double kDense = 0.9, kPadded = 1.05, kSparse = 1.3;
  const double filled = filled_lanes(op.out_channels / op.groups);
  if (tile_bytes(op) > kCacheBytes) return filled < 0.3;
  const bool dense = op.kernel.height * op.kernel.width > 1 && op.stride.height == 1 && op.stride.width == 1;
  const bool padded = op.out_channels / op.groups > kTile && (op.padding.left > 0 || op.padding.right > 0);
  return (!dense ? kSparse : padded ? kPadded : kDense) * filled < filled_lanes(images);
}

// Those passes backward that go by tiles.
class BackwardTiles {
 public:
  BackwardTiles(const Conv2d& op, const ImagePass& pass, std::int64_t images) : op_(op), images_(images) {
    if (images < kFewImages) return;
    tile_.emplace(op, kernels());
    dw_ = gradient_by_tile(op, images);
    dx_ = tiles_win(op, tile_->backward_clocks(dw_) * static_cast<double>(tiles_of(images)),
                    pass.clocks() * static_cast<double>(images));
  }

  bool dx() const { return dx_; }
  bool dw() const { return dw_; }

  std::int64_t count() const { return dx_ || dw_ ? tiles_of(images_) : 0; }

  void begin(const float* w) {
    if (dw_) slots_.reserve(static_cast<std::size_t>(tiles_of(images_) * slot()));
    if (!dx_) return;
    tile_->pack_backward(w, 0, op_.out_channels, packed_.reserve(static_cast<std::size_t>(tile_->backward_weights())));
  }

  void run(std::int64_t t, const float* dy, const float* x, float* dx) {
    const Kernels& k = kernels();
    const std::int64_t in = op_.in.size(), out = op_.out().size();
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    pack_tile(k, dy, images_, out, t, dy_tile);
    if (dw_) {
      float* x_tile = scratch(Scratch::X, in * kTile);
      float* room = scratch(Scratch::Lanes, op_.gradient_room() * kTile);
      float* own = slots_.data() + t * slot();
      pack_tile(k, x, images_, in, t, x_tile);
      tile_->weight_gradient(images_of(t, images_), dy_tile, x_tile, room, own, own + op_.weights());
    }
    if (dx_) {
      float* dx_tile = scratch(Scratch::Dx, in * kTile);
      tile_->input_gradient(dy_tile, packed_.data(), dx_tile);
      unpack_tile(k, dx_tile, images_, in, t, dx);
    }
  }

  // After all of them.
  void end(float* dw, float* db) const {
    if (!dw_) return;
    sum_slots(kernels(), slots_.data(), tiles_of(images_), slot(), op_.weights(), dw);
    sum_slots(kernels(), slots_.data() + op_.weights(), tiles_of(images_), slot(), op_.out_channels, db);
  }

 private:
  std::int64_t slot() const { return op_.weights() + op_.out_channels; }

  const Conv2d& op_;
  std::int64_t images_;
  std::optional<Conv2dTile> tile_;
  bool dx_ = false, dw_ = false;
  Buffer packed_, slots_;
};

}  // namespace

void conv2d_backward(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db) {
  const Kernels& k = kernels();
  ImagePass pass(op, Direction::Backward, k);
  const Conv2dGradient gradient(op, k);
  BackwardTiles tiles(op, pass, images);
  tiles.begin(w);
  Buffer packed;
  if (!tiles.dx()) pass.pack(w, packed.reserve(static_cast<std::size_t>(pass.weights())));
  const ImagePieces input(pass, 0, images, threads_for(2 * images * op.multiply_adds()));
  const std::int64_t gradients = tiles.dw() ? 0 : gradient.pieces(), inputs = tiles.dx() ? 0 : input.count();
  for_each_piece(gradients + inputs + tiles.count(), 2 * images * op.multiply_adds(), [&](std::int64_t piece) {
    if (piece < gradients) return gradient.run(piece, images, dy, x, dw, db);
    piece -= gradients;
    if (piece < inputs) return input.run(piece, op.out().size(), op.in.size(), dy, packed.data(), nullptr, dx);
    tiles.run(piece - inputs, dy, x, dx);
  });
  tiles.end(dw, db);
}

}  // namespace convlet::ops
