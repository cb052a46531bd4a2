#include <vector>

#include "isa/dispatch.h"
#include "ops/conv2d_tile.h"
#include "ops/ops.h"
#include "ops/tiles.h"

namespace convlet::ops {

void conv2d(const Conv2d& op, std::int64_t images, const float* x, const float* w, const float* bias, float* y) {
  const Kernels& k = kernels();
  const Conv2dTile tile(op, k);
  Buffer packed(static_cast<std::size_t>(tile.forward_weights()));
  tile.pack_forward(w, 0, op.out_channels, packed.data());
  const std::int64_t in = op.in.size(), out = op.out().size();
  for_each_tile(images, op.multiply_adds(), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    pack_tile(k, x, images, in, t, x_tile);
    tile.forward(x_tile, packed.data(), bias, Activation::None, y_tile);
    unpack_tile(k, y_tile, images, out, t, y);
  });
}

void conv2d_backward(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db) {
  const Kernels& k = kernels();
  const Conv2dTile tile(op, k);
  const std::int64_t in = op.in.size(), out = op.out().size(), weights = op.weights(), slot = weights + op.out_channels;
  Buffer packed(static_cast<std::size_t>(tile.backward_weights()));
  tile.pack_backward(w, 0, op.out_channels, packed.data());
  Buffer slots(static_cast<std::size_t>(tiles_of(images) * slot));
  for_each_tile(images, 2 * op.multiply_adds(), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* dx_tile = scratch(Scratch::Dx, in * kTile);
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    float* sums = scratch(Scratch::Lanes, op.gradient_sums() * kTile);
    float* mine = slots.data() + t * slot;
    pack_tile(k, x, images, in, t, x_tile);
    pack_tile(k, dy, images, out, t, dy_tile);
    tile.weight_gradient(dy_tile, x_tile, sums, mine, mine + weights);
    tile.input_gradient(dy_tile, packed.data(), dx_tile);
    unpack_tile(k, dx_tile, images, in, t, dx);
  });
  sum_slots(k, slots.data(), tiles_of(images), slot, weights, dw);
  sum_slots(k, slots.data() + weights, tiles_of(images), slot, op.out_channels, db);
}

}  // namespace convlet::ops
