// Pooling, each channel by itself:
//
//   max:      y[n][c][oh][ow] = max over the window's pixels of x; the padding is minus infinity
//   average:  y[n][c][oh][ow] = sum over the window's pixels of x / divisor; the padding is zero
//
// x (N, C, H, W), y (N, C, OH, OW), contiguous. NaN wins a maximum, and of equal pixels the first in row order does;
// its index in the input plane is kept in `winners` for the backward pass. Comparisons and additions are the CPU's, in
// its order. One thread computes one output; in the backward passes it computes one pixel of dx, from the windows that
// hold it, in their order: no additions of several threads into one place.
#include <limits>

#include "convlet/tile.h"
#include "cuda/kernels/pack.cuh"
#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

struct PoolAxis {
  int in, out, kernel, stride, dilation, before, after;
  std::int64_t reach;  // from a window's first tap to its last
};

struct Pooling {
  PoolAxis rows, columns;
  std::int64_t outputs, pixels;  // over all images
  AverageDivisor count;
  float divisor;  // of every average; 0: each window has its own
  bool overlaps;  // a pixel may lie in several windows
};

// The taps of one axis of a window that lie on the image; in: where the first of them does.
struct Taps {
  int first, last, in;
};

__device__ __forceinline__ Taps taps_of(const PoolAxis& a, int out) {
  const std::int64_t origin = std::int64_t{out} * a.stride - a.before;
  if (origin >= 0 && origin + a.reach < a.in) return {0, a.kernel, static_cast<int>(origin)};  // spares divisions
  const std::int64_t first = origin >= 0 ? 0 : (-origin + a.dilation - 1) / a.dilation;
  const std::int64_t end = origin >= a.in ? 0 : (a.in - 1 - origin) / a.dilation + 1;
  return {static_cast<int>(first), static_cast<int>(end < a.kernel ? end : a.kernel),
          static_cast<int>(origin + first * a.dilation)};
}

// Cells of one axis of a window: its pixels, or also its padding, but nothing beyond the padding.
__device__ __forceinline__ float cells_of(const PoolAxis& a, int out, AverageDivisor count) {
  const Taps taps = taps_of(a, out);
  if (count == AverageDivisor::Pixels) return static_cast<float>(taps.last - taps.first);
  const std::int64_t room = std::int64_t{a.in} + a.after - (std::int64_t{out} * a.stride - a.before);
  const std::int64_t cells = (room + a.dilation - 1) / a.dilation;
  return static_cast<float>(cells < a.kernel ? cells : a.kernel);
}

__device__ __forceinline__ float divisor_of(const Pooling& t, int oh, int ow) {
  return t.divisor != 0.0f ? t.divisor : cells_of(t.rows, oh, t.count) * cells_of(t.columns, ow, t.count);
}

// The windows of one axis that hold a pixel: first, first + 1, ..., last, of which with a dilation some do not.
struct Windows {
  int first, last;
};

__device__ __forceinline__ Windows windows_of(const PoolAxis& a, int in) {
  const auto stride = static_cast<unsigned>(a.stride), at = static_cast<unsigned>(in) + static_cast<unsigned>(a.before);
  const unsigned first = at <= a.reach ? 0 : (at - static_cast<unsigned>(a.reach) - 1) / stride + 1;
  const unsigned last = at / stride, end = static_cast<unsigned>(a.out) - 1;
  return {static_cast<int>(first), static_cast<int>(last < end ? last : end)};
}

__device__ __forceinline__ bool holds(const PoolAxis& a, int window, int in) {
  return a.dilation == 1 || (std::int64_t{in} + a.before - std::int64_t{window} * a.stride) % a.dilation == 0;
}

// Row, column and plane of an item of a grid over planes; Index: 32 bits where they do, for the divisions.
struct Position {
  std::int64_t plane;
  int row, column;
};
template <class Index>
__device__ __forceinline__ Position position_of(std::int64_t item, int height, int width) {
  const auto i = static_cast<Index>(item), rows = i / static_cast<Index>(width);
  return {static_cast<std::int64_t>(rows / static_cast<Index>(height)),
          static_cast<int>(rows % static_cast<Index>(height)), static_cast<int>(i % static_cast<Index>(width))};
}

template <class Index>
__global__ void max_pool_kernel(const Pooling t, const float* x, float* y, std::int64_t* winners) {
  const std::int64_t item = thread_of_grid();
  if (item >= t.outputs) return;
  const Position at = position_of<Index>(item, t.rows.out, t.columns.out);
  const Taps rows = taps_of(t.rows, at.row), columns = taps_of(t.columns, at.column);
  const float* plane = x + at.plane * t.rows.in * t.columns.in;
  std::int64_t winner = std::int64_t{rows.in} * t.columns.in + columns.in;
  float best = plane[winner];
  for (int kh = rows.first, ih = rows.in; kh < rows.last; ++kh, ih += t.rows.dilation) {
    const float* row = plane + std::int64_t{ih} * t.columns.in;
    for (int kw = columns.first, iw = columns.in; kw < columns.last; ++kw, iw += t.columns.dilation) {
      const float value = row[iw];
      if (value > best || value != value) {
        best = value;
        winner = row - plane + iw;
      }
    }
  }
  y[item] = best;
  if (winners) winners[item] = winner;
}

// Calls window(oh, ow) for the windows that hold a pixel, in row order.
template <class F>
__device__ __forceinline__ void for_each_window(const Pooling& t, const Position& at, F&& window) {
  const Windows rows = windows_of(t.rows, at.row), columns = windows_of(t.columns, at.column);
  for (int oh = rows.first; oh <= rows.last; ++oh) {
    if (!holds(t.rows, oh, at.row)) continue;
    for (int ow = columns.first; ow <= columns.last; ++ow) {
      if (holds(t.columns, ow, at.column)) window(oh, ow);
    }
  }
}

template <class Index>
__global__ void max_pool_backward_kernel(const Pooling t, const float* dy, const std::int64_t* winners, float* dx) {
  const std::int64_t item = thread_of_grid();
  if (item >= t.pixels) return;
  const Position at = position_of<Index>(item, t.rows.in, t.columns.in);
  const std::int64_t first = at.plane * t.rows.out * t.columns.out;
  const std::int64_t pixel = std::int64_t{at.row} * t.columns.in + at.column;
  float sum = 0.0f;
  for_each_window(t, at, [&](int oh, int ow) {
    const std::int64_t window = first + std::int64_t{oh} * t.columns.out + ow;
    if (winners[window] == pixel) sum = t.overlaps ? sum + dy[window] : dy[window];
  });
  dx[item] = sum;
}

// Sums of more than kChain pixels are cut at the end of every row, and within it after every kChain columns.
__device__ float window_sum(const Pooling& t, const Taps& rows, const Taps& columns, const float* plane) {
  const auto row_sum = [&](int ih, int first, int last, float sum) {
    const float* pixel = plane + std::int64_t{ih} * t.columns.in + columns.in;
    for (int kw = first; kw < last; ++kw) sum += pixel[std::int64_t{kw - columns.first} * t.columns.dilation];
    return sum;
  };
  const bool cuts = std::int64_t{rows.last - rows.first} * (columns.last - columns.first) > kChain;
  float sum = 0.0f;
  for (int kh = rows.first, ih = rows.in; kh < rows.last; ++kh, ih += t.rows.dilation) {
    if (!cuts) {
      sum = row_sum(ih, columns.first, columns.last, sum);
      continue;
    }
    for (int cut = columns.first; cut < columns.last; cut += kChain) {
      sum += row_sum(ih, cut, columns.last - cut < kChain ? columns.last : cut + kChain, 0.0f);
    }
  }
  return sum;
}

template <class Index>
__global__ void average_pool_kernel(const Pooling t, const float* x, float* y) {
  const std::int64_t item = thread_of_grid();
  if (item >= t.outputs) return;
  const Position at = position_of<Index>(item, t.rows.out, t.columns.out);
  const Taps rows = taps_of(t.rows, at.row), columns = taps_of(t.columns, at.column);
  const float sum = window_sum(t, rows, columns, x + at.plane * t.rows.in * t.columns.in);
  y[item] = __fdiv_rn(sum, divisor_of(t, at.row, at.column));
}

template <class Index>
__global__ void average_pool_backward_kernel(const Pooling t, const float* dy, float* dx) {
  const std::int64_t item = thread_of_grid();
  if (item >= t.pixels) return;
  const Position at = position_of<Index>(item, t.rows.in, t.columns.in);
  const float* plane = dy + at.plane * t.rows.out * t.columns.out;
  float sum = 0.0f;
  for_each_window(t, at, [&](int oh, int ow) {
    const float share = __fdiv_rn(plane[std::int64_t{oh} * t.columns.out + ow], divisor_of(t, oh, ow));
    sum = t.overlaps ? sum + share : share;
  });
  dx[item] = sum;
}

PoolAxis axis_of(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                 std::int64_t before, std::int64_t after) {
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  return {narrow(in),       narrow(out),    narrow(kernel), narrow(stride),
          narrow(dilation), narrow(before), narrow(after),  (kernel - 1) * dilation};
}

// Whether all windows have all their cells, counted as the divisor counts them.
bool complete(const PoolAxis& a, AverageDivisor count) {
  const std::int64_t last = std::int64_t{a.out - 1} * a.stride + a.reach - a.before;
  return count == AverageDivisor::Pixels ? a.before == 0 && last < a.in : last < std::int64_t{a.in} + a.after;
}

Pooling pooling_of(const Pool2d& op, std::int64_t images) {
  const Image in = op.in, out = op.out();
  Pooling t{};
  t.rows = axis_of(in.height, out.height, op.kernel.height, op.stride.height, op.dilation.height, op.padding.top,
                   op.padding.bottom);
  t.columns = axis_of(in.width, out.width, op.kernel.width, op.stride.width, op.dilation.width, op.padding.left,
                      op.padding.right);
  t.outputs = images * out.size();
  t.pixels = images * in.size();
  t.count = op.count;
  if (op.divisor != 0) {
    t.divisor = static_cast<float>(op.divisor);
  } else if (complete(t.rows, op.count) && complete(t.columns, op.count)) {
    t.divisor = static_cast<float>(t.rows.kernel) * static_cast<float>(t.columns.kernel);
  }
  t.overlaps = op.dilation.height != 1 || op.dilation.width != 1 || op.kernel.height > op.stride.height ||
               op.kernel.width > op.stride.width;
  return t;
}

bool narrow_index(std::int64_t items) { return items <= std::numeric_limits<int>::max(); }

}  // namespace

void max_pool2d(Stream stream, const Pool2d& op, std::int64_t images, const float* x, float* y, std::int64_t* winners) {
  const Pooling t = pooling_of(op, images);
  const auto kernel = narrow_index(t.outputs) ? max_pool_kernel<std::int32_t> : max_pool_kernel<std::int64_t>;
  launch("max_pool2d", kernel, line(t.outputs), stream, t, x, y, winners);
}

void max_pool2d_backward(Stream stream, const Pool2d& op, std::int64_t images, const float* dy,
                         const std::int64_t* winners, float* dx) {
  const Pooling t = pooling_of(op, images);
  const auto kernel =
      narrow_index(t.pixels) ? max_pool_backward_kernel<std::int32_t> : max_pool_backward_kernel<std::int64_t>;
  launch("max_pool2d_backward", kernel, line(t.pixels), stream, t, dy, winners, dx);
}

void avg_pool2d(Stream stream, const Pool2d& op, std::int64_t images, const float* x, float* y) {
  const Pooling t = pooling_of(op, images);
  const auto kernel = narrow_index(t.outputs) ? average_pool_kernel<std::int32_t> : average_pool_kernel<std::int64_t>;
  launch("avg_pool2d", kernel, line(t.outputs), stream, t, x, y);
}

void avg_pool2d_backward(Stream stream, const Pool2d& op, std::int64_t images, const float* dy, float* dx) {
  const Pooling t = pooling_of(op, images);
  const auto kernel =
      narrow_index(t.pixels) ? average_pool_backward_kernel<std::int32_t> : average_pool_backward_kernel<std::int64_t>;
  launch("avg_pool2d_backward", kernel, line(t.pixels), stream, t, dy, dx);
}

}  // namespace convlet::cuda
