#include "isa/dispatch.h"
#include "ops/linear_rows.h"
#include "ops/linear_tile.h"
#include "ops/ops.h"
#include "ops/tiles.h"

namespace convlet::ops {

void linear(const Linear& op, std::int64_t images, const float* x, const float* w, const float* bias, float* y) {
  constexpr std::int64_t kRows = 64;  // of a piece of work: the weight's way into vectors is a tenth of it
  const LinearRows rows(op, kernels());
  for_each_piece(ceil_div(images, kRows), images * op.weights(), [&](std::int64_t piece) {
    const std::int64_t first = piece * kRows, count = std::min(kRows, images - first);
    float* own = scratch(Scratch::X, static_cast<std::size_t>(rows.scratch(count)));
    rows.run(count, x + first * op.inputs, w, bias, own, y + first * op.outputs);
  });
}

void linear_backward(const Linear& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db) {
  const Kernels& k = kernels();
  const LinearTile tile(op, k);
  const std::int64_t tiles = tiles_of(images), dy_size = op.outputs * kTile, x_image = round_up(op.inputs, kTile);
  Buffer dy_tiles(static_cast<std::size_t>(tiles * dy_size)), slots(static_cast<std::size_t>(tiles * op.outputs));
  Buffer rows(static_cast<std::size_t>(images * x_image));  // x with rows of whole vectors
  Buffer packed(static_cast<std::size_t>(tile.backward_weights()));
  constexpr std::int64_t kRows = 24;  // outputs of one piece of work
  for_each_piece(ceil_div(op.outputs, kRows), op.weights(), [&](std::int64_t piece) {
    tile.pack_backward(w, piece * kRows, std::min(op.outputs, (piece + 1) * kRows), packed.data());
  });
  for_each_tile(images, 2 * op.weights(), [&](std::int64_t t) {
    float* dy_tile = dy_tiles.data() + t * dy_size;
    float* dx_tile = scratch(Scratch::Dx, op.inputs * kTile);
    pack_tile(k, dy, images, op.outputs, t, dy_tile);
    k.sum_lanes(dy_tile, op.outputs, images_of(t, images), slots.data() + t * op.outputs);
    tile.input_gradient(dy_tile, packed.data(), dx_tile);
    unpack_tile(k, dx_tile, images, op.inputs, t, dx);
    for (std::int64_t n = t * kTile; n < std::min(images, (t + 1) * kTile); ++n) {
      float* row = rows.data() + n * x_image;
      std::copy(x + n * op.inputs, x + (n + 1) * op.inputs, row);
      std::fill(row + op.inputs, row + x_image, 0.0f);
    }
  });
  sum_slots(k, slots.data(), tiles, op.outputs, op.outputs, db);
  parallel_for(images * op.weights() > 200000 ? Pool::shared().size() : 1, ceil_div(op.outputs, kRows),
               [&](std::int64_t piece, int) {
                 const std::int64_t o = piece * kRows;
                 k.outer_product(dy_tiles.data() + o * kTile, dy_size, rows.data(), x_image, images,
                                 std::min(kRows, op.outputs - o), op.inputs, Store::Overwrite, dw + o * op.inputs);
               });
}

}  // namespace convlet::ops
