// Activations, and softmax over rows.
#include "isa/dispatch.h"
#include "ops/ops.h"
#include "ops/tiles.h"

namespace convlet::ops {
namespace {

// f(first, count) over stretches of a long array, on the pool's threads.
template <class F>
void for_each_stretch(std::int64_t count, F&& f) {
  constexpr std::int64_t kStretch = 1 << 15;  // floats: 128 KiB, so that a stretch stays in L2
  const std::int64_t stretches = ceil_div(count, kStretch);
  parallel_for(stretches > 2 ? Pool::shared().size() : 1, stretches,
               [&](std::int64_t i, int) { f(i * kStretch, std::min(kStretch, count - i * kStretch)); });
}

using Rows = void (*)(const float*, std::ptrdiff_t, std::ptrdiff_t, float*);
using RowsBackward = void (*)(const float*, const float*, std::ptrdiff_t, std::ptrdiff_t, float*);

void map_rows(Rows kernel, std::int64_t rows, std::int64_t classes, const float* x, float* y) {
  const Kernels& k = kernels();
  for_each_tile(rows, classes * 16, [&](std::int64_t t) {
    float* tile = scratch(Scratch::X, classes * kTile);
    pack_tile(k, x, rows, classes, t, tile);
    kernel(tile, classes, kTile, tile);
    unpack_tile(k, tile, rows, classes, t, y);
  });
}

void map_rows_backward(RowsBackward kernel, std::int64_t rows, std::int64_t classes, const float* dy, const float* y,
                       float* dx) {
  const Kernels& k = kernels();
  for_each_tile(rows, classes * 16, [&](std::int64_t t) {
    float* dy_tile = scratch(Scratch::Dy, classes * kTile);
    float* y_tile = scratch(Scratch::Y, classes * kTile);
    pack_tile(k, dy, rows, classes, t, dy_tile);
    pack_tile(k, y, rows, classes, t, y_tile);
    kernel(dy_tile, y_tile, classes, kTile, dy_tile);
    unpack_tile(k, dy_tile, rows, classes, t, dx);
  });
}

}  // namespace

void activation(Activation kind, const float* x, std::int64_t count, float* y) {
  const Kernels& k = kernels();
  for_each_stretch(count, [&](std::int64_t i, std::int64_t n) { k.activate(kind, x + i, n, y + i); });
}

void activation_backward(Activation kind, const float* dy, const float* y, std::int64_t count, float* dx) {
  const Kernels& k = kernels();
  for_each_stretch(count, [&](std::int64_t i, std::int64_t n) { k.activate_backward(kind, dy + i, y + i, n, dx + i); });
}

void softmax(std::int64_t rows, std::int64_t classes, const float* x, float* y) {
  map_rows(kernels().softmax, rows, classes, x, y);
}

void log_softmax(std::int64_t rows, std::int64_t classes, const float* x, float* y) {
  map_rows(kernels().log_softmax, rows, classes, x, y);
}

void softmax_backward(std::int64_t rows, std::int64_t classes, const float* dy, const float* y, float* dx) {
  map_rows_backward(kernels().softmax_backward, rows, classes, dy, y, dx);
}

void log_softmax_backward(std::int64_t rows, std::int64_t classes, const float* dy, const float* y, float* dx) {
  map_rows_backward(kernels().log_softmax_backward, rows, classes, dy, y, dx);
}

}  // namespace convlet::ops
