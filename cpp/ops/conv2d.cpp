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

// How a batch is split: full tiles of 16 images first, then image by image.
struct Split {
  std::int64_t tiles, images;  // of the latter: first tiles * 16, or all
};

// Tiles where they fill their lanes better than an image does, and stay in a core's L2 cache; what is left over of a
// batch is a tile too if it is most of one. A tile's way in and out costs about a sixth of it.
Split split_of(const Conv2d& op, const ImagePass& pass, std::int64_t images) {
  constexpr std::int64_t kTileBytes = 1 << 20;
  const std::int64_t bytes = (op.in.size() + op.out().size()) * kTile * std::int64_t{sizeof(float)};
  const bool by_tile = bytes <= kTileBytes && pass.filled() < 0.85;
  if (!by_tile) return {0, images};
  const std::int64_t rest = images % kTile;
  const bool last = static_cast<double>(rest) > kTile * pass.filled();
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
  const Split split = split_of(op, pass, images);
  const std::int64_t in = op.in.size(), out = op.out().size();
  std::optional<Conv2dTile> tile;
  Buffer tile_weights, image_weights;
  if (split.tiles) {
    tile.emplace(op, k);
    tile->pack_forward(w, 0, op.out_channels, tile_weights.reserve(static_cast<std::size_t>(tile->forward_weights())));
  }
  if (split.images) pass.pack(w, image_weights.reserve(static_cast<std::size_t>(pass.weights())));
  const ImagePieces single(pass, images - split.images, split.images);
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

void backward_by_tile(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                      float* dw, float* db) {
  const Kernels& k = kernels();
  const Conv2dTile tile(op, k);
  const std::int64_t in = op.in.size(), out = op.out().size(), weights = op.weights(), slot = weights + op.out_channels;
  Buffer packed(static_cast<std::size_t>(tile.backward_weights()));
  tile.pack_backward(w, 0, op.out_channels, packed.data());
  Buffer slots(static_cast<std::size_t>(tiles_of(images) * slot));
  for_each_piece(tiles_of(images), 2 * images * op.multiply_adds(), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* dx_tile = scratch(Scratch::Dx, in * kTile);
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    float* sums = scratch(Scratch::Lanes, op.gradient_sums() * kTile);
    float* mine = slots.data() + t * slot;
    pack_tile(k, x, images, in, t, x_tile);
    pack_tile(k, dy, images, out, t, dy_tile);
    tile.weight_gradient(images_of(t, images), dy_tile, x_tile, sums, mine, mine + weights);
    tile.input_gradient(dy_tile, packed.data(), dx_tile);
    unpack_tile(k, dx_tile, images, in, t, dx);
  });
  sum_slots(k, slots.data(), tiles_of(images), slot, weights, dw);
  sum_slots(k, slots.data() + weights, tiles_of(images), slot, op.out_channels, db);
}

void backward_by_image(const Conv2d& op, const ImagePass& pass, std::int64_t images, const float* dy, const float* x,
                       const float* w, float* dx, float* dw, float* db) {
  const Kernels& k = kernels();
  Buffer packed(static_cast<std::size_t>(pass.weights()));
  pass.pack(w, packed.data());
  const Conv2dGradient gradient(op, k);
  const ImagePieces input(pass, 0, images);
  for_each_piece(gradient.pieces() + input.count(), 2 * images * op.multiply_adds(), [&](std::int64_t piece) {
    if (piece < gradient.pieces()) return gradient.run(piece, images, dy, x, dw, db);
    input.run(piece - gradient.pieces(), op.out().size(), op.in.size(), dy, packed.data(), nullptr, dx);
  });
}

}  // namespace

void conv2d_backward(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db) {
  const ImagePass pass(op, Direction::Backward, kernels());
  const Split split = split_of(op, pass, images);
  // The weight gradient by image has output channels in the lanes.
  const double filled = (pass.filled() + filled_lanes(op.out_channels / op.groups)) / 2;
  const double tile =
      static_cast<double>(images) / static_cast<double>(std::max<std::int64_t>(1, round_up(images, kTile)));
  if (split.tiles == 0 ? filled > 0.3 || images < kTile / 4 : filled > tile) {
    backward_by_image(op, pass, images, dy, x, w, dx, dw, db);
  } else {
    backward_by_tile(op, images, dy, x, w, dx, dw, db);
  }
}

}  // namespace convlet::ops
