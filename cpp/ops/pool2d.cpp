#include "isa/dispatch.h"
#include "ops/ops.h"
#include "ops/pool2d_tile.h"
#include "ops/tiles.h"

namespace convlet::ops {
namespace {

std::int64_t cost(const Pool2d& op) { return op.out().size() * op.kernel.height * op.kernel.width; }

// The winner's tap, kept as a whole float, becomes its index in the input plane.
void indices_of(const Pool2d& op, const float* winners, std::int64_t images, std::int64_t t, std::int64_t* indices) {
  const Image out = op.out();
  for (std::int64_t n = t * kTile; n < std::min(images, (t + 1) * kTile); ++n) {
    for (std::int64_t c = 0, i = 0; c < out.channels; ++c) {
      for (std::int64_t oh = 0; oh < out.height; ++oh) {
        for (std::int64_t ow = 0; ow < out.width; ++ow, ++i) {
          const auto tap = static_cast<std::int64_t>(winners[i * kTile + n % kTile]);
          const std::int64_t ih = oh * op.stride.height - op.padding.top + tap / op.kernel.width * op.dilation.height;
          const std::int64_t iw = ow * op.stride.width - op.padding.left + tap % op.kernel.width * op.dilation.width;
          indices[n * out.size() + i] = ih * op.in.width + iw;
        }
      }
    }
  }
}

}  // namespace

void max_pool2d(const Pool2d& op, std::int64_t images, const float* x, float* y, std::int64_t* indices) {
  const Kernels& k = kernels();
  const Pooling pooling = pooling_of(op);
  const std::int64_t in = op.in.size(), out = op.out().size();
  for_each_tile(images, cost(op), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    float* winners = indices ? scratch(Scratch::Winners, out * kTile) : nullptr;
    pack_tile(k, x, images, in, t, x_tile);
    k.max_pool(pooling, x_tile, y_tile, winners);
    unpack_tile(k, y_tile, images, out, t, y);
    if (indices) indices_of(op, winners, images, t, indices);
  });
}

void max_pool2d_backward(const Pool2d& op, std::int64_t images, const float* dy, const float* x, float* dx) {
  const Kernels& k = kernels();
  const Pooling pooling = pooling_of(op);
  const std::int64_t in = op.in.size(), out = op.out().size();
  for_each_tile(images, cost(op), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    float* winners = scratch(Scratch::Winners, out * kTile);
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    float* dx_tile = scratch(Scratch::Dx, in * kTile);
    pack_tile(k, x, images, in, t, x_tile);
    pack_tile(k, dy, images, out, t, dy_tile);
    k.max_pool(pooling, x_tile, y_tile, winners);
    k.max_pool_backward(pooling, Activation::None, dy_tile, winners, x_tile, dx_tile);
    unpack_tile(k, dx_tile, images, in, t, dx);
  });
}

void avg_pool2d(const Pool2d& op, std::int64_t images, const float* x, float* y) {
  constexpr std::int64_t kFewImages = 8, kTileBytes = 1 << 20;
  const Kernels& k = kernels();
  const Pooling pooling = pooling_of(op);
  const std::int64_t in = op.in.size(), out = op.out().size();
  if (images < kFewImages || in * kTile * std::int64_t{sizeof(float)} > kTileBytes) {
    return for_each_piece(images, images * cost(op),
                          [&](std::int64_t n) { k.average_pool_image(pooling, x + n * in, y + n * out); });
  }
  for_each_tile(images, cost(op), [&](std::int64_t t) {
    float* x_tile = scratch(Scratch::X, in * kTile);
    float* y_tile = scratch(Scratch::Y, out * kTile);
    pack_tile(k, x, images, in, t, x_tile);
    k.average_pool(pooling, x_tile, y_tile);
    unpack_tile(k, y_tile, images, out, t, y);
  });
}

void avg_pool2d_backward(const Pool2d& op, std::int64_t images, const float* dy, float* dx) {
  const Kernels& k = kernels();
  const Pooling pooling = pooling_of(op);
  const std::int64_t in = op.in.size(), out = op.out().size();
  for_each_tile(images, cost(op), [&](std::int64_t t) {
    float* dy_tile = scratch(Scratch::Dy, out * kTile);
    float* dx_tile = scratch(Scratch::Dx, in * kTile);
    pack_tile(k, dy, images, out, t, dy_tile);
    k.average_pool_backward(pooling, Activation::None, dy_tile, dx_tile, dx_tile);
    unpack_tile(k, dx_tile, images, in, t, dx);
  });
}

}  // namespace convlet::ops
