// conv2d and its input gradient:
//
//   y[n][o][p]  = activation(bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[n][c][p s - before + (kh, kw) d])
//   dx[n][c][q] = sum over o, kh, kw of w[o][c][kh][kw] dy[n][o][(q + before - (kh, kw) d) / s], where that is whole
//
// x (N, C, H, W), w (O, C / groups, KH, KW), y (N, O, OH, OW), contiguous. As matrix products: rows are channels of the
// result, columns its pixels over all images, steps the channels and taps of the other side, in the order of the CPU,
// with its cuts of long chains. The pixels of dx are taken in phases of the stride: those of a phase see the same taps,
// so that no step is wasted on taps that see none; a group and a phase are a piece of the launch.
#include "cuda/kernels/conv2d.cuh"

#include "cuda/ops.h"

namespace convlet::cuda {
namespace {

enum class Pass { Forward, Backward };

// The outputs of one axis that a piece computes, and the taps they see.
struct AxisPiece {
  int outs, out, out_step;         // outputs out, out + out_step, ...
  int taps, tap, tap_step;         // kernel taps tap, tap + tap_step, ...
  int in, in_per_out, in_per_tap;  // where the first output meets the first tap; steps of the input
};

__device__ AxisPiece whole_axis(const AxisShape& a) {
  return {a.out, 0, 1, a.kernel, 0, 1, -a.before, a.stride, a.dilation};
}

__device__ int greatest_common_divisor(int a, int b) {
  while (b != 0) {
    const int rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// The pixels phase, phase + stride, ... of the input.
__device__ AxisPiece phase_of(const AxisShape& a, int phase) {
  const int common = greatest_common_divisor(a.stride, a.dilation), tap_step = a.stride / common;
  AxisPiece piece{(a.in - phase - 1) / a.stride + 1, phase, a.stride, 0, 0, tap_step, 0, 1, -(a.dilation / common)};
  for (int tap = 0; tap < (tap_step < a.kernel ? tap_step : a.kernel); ++tap) {
    const std::int64_t from = std::int64_t{phase} + a.before - std::int64_t{tap} * a.dilation;
    if (from % a.stride != 0) continue;
    piece.tap = tap;
    piece.taps = (a.kernel - tap - 1) / tap_step + 1;
    piece.in = static_cast<int>(from / a.stride);
    break;
  }
  return piece;
}

// Taps of a piece before kernel tap `end`.
__device__ int taps_before(const AxisPiece& a, std::int64_t end) {
  if (end <= a.tap) return 0;
  const std::int64_t taps = (end - a.tap - 1) / a.tap_step + 1;
  return taps < a.taps ? static_cast<int>(taps) : a.taps;
}

// Where chains are cut: every few channels, or, where one channel has more taps than a chain may, every few kernel
// rows, and a row that is longer still after every kChain columns. (As ops/blocking.cpp cuts them.)
struct Cuts {
  int channels, rows, columns;
  std::int64_t deep, down, across;  // parts
};

Cuts cuts_of(const Conv2d& op, std::int64_t from_channels) {
  const std::int64_t taps = op.kernel.height * op.kernel.width;
  const std::int64_t rows = taps > kChain ? kChain / op.kernel.width : op.kernel.height;
  Cuts cuts{};
  cuts.channels = static_cast<int>(std::max<std::int64_t>(1, kChain / taps));
  cuts.rows = static_cast<int>(std::max<std::int64_t>(1, rows));
  cuts.columns = static_cast<int>(std::min<std::int64_t>(op.kernel.width, kChain));
  cuts.deep = ceil_div(from_channels, cuts.channels);
  cuts.down = ceil_div(op.kernel.height, cuts.rows);
  cuts.across = ceil_div(op.kernel.width, cuts.columns);
  return cuts;
}

template <Pass P, bool Bounded>
struct Correlation {
  static constexpr Order kA = Order::Steps, kB = Order::Outputs;
  static constexpr Along kStart = Along::Rows;
  static constexpr bool kBounded = Bounded;

  AxisShape rows, columns;
  Cuts cuts;
  int groups, from_channels, to_channels, phases_across;  // channels of a group
  std::int64_t images;
  const float *from, *w, *start;
  float* to;

  __device__ AxisPiece rows_of(std::int64_t phase) const {
    if constexpr (P == Pass::Forward) return whole_axis(rows);
    return phase_of(rows, static_cast<int>(phase / phases_across));
  }
  __device__ AxisPiece columns_of(std::int64_t phase) const {
    if constexpr (P == Pass::Forward) return whole_axis(columns);
    return phase_of(columns, static_cast<int>(phase % phases_across));
  }

  __device__ Piece piece(std::int64_t index) const {
    const std::int64_t g = index % groups, phase = index / groups;
    const AxisPiece r = rows_of(phase), c = columns_of(phase);
    const bool forward = P == Pass::Forward;
    const std::int64_t from_width = forward ? columns.in : columns.out, to_width = forward ? columns.out : columns.in;
    const std::int64_t from_plane = (forward ? rows.in : rows.out) * from_width;
    const std::int64_t to_plane = (forward ? rows.out : rows.in) * to_width;
    const std::int64_t taps = std::int64_t{rows.kernel} * columns.kernel, from_group = g * from_channels;
    const std::int64_t own = forward ? from_channels * taps : taps;  // weights from row to row,
    const std::int64_t next = forward ? taps : to_channels * taps;   // and from step to step of channels
    Piece p{};
    p.m = to_channels;
    p.n = images * r.outs * c.outs;
    p.a = w + (forward ? g * to_channels * own : from_group * next);
    p.a_m = own;
    p.a_k = {next, std::int64_t{r.tap_step} * columns.kernel, c.tap_step};
    p.b = from;
    p.b_first = from_group * from_plane + r.in * from_width + c.in;
    p.b_n = {groups * from_channels * from_plane, r.in_per_out * from_width, c.in_per_out};
    p.b_k = {from_plane, r.in_per_tap * from_width, c.in_per_tap};
    p.c = to + g * to_channels * to_plane;
    p.c_m = to_plane;
    p.c_first = r.out * to_width + c.out;
    p.c_n = {groups * to_channels * to_plane, r.out_step * to_width, c.out_step};
    p.start = start ? start + g * to_channels : nullptr;
    p.n_middle = r.outs;
    p.n_inner = c.outs;
    p.row = r.in;
    p.row_n = r.in_per_out;
    p.row_k = r.in_per_tap;
    p.row_limit = forward ? rows.in : rows.out;
    p.column = c.in;
    p.column_n = c.in_per_out;
    p.column_k = c.in_per_tap;
    p.column_limit = forward ? columns.in : columns.out;
    p.index = phase;
    p.parts = cuts.deep * cuts.down * cuts.across;
    return p;
  }

  __device__ Part part(const Piece& p, std::int64_t index) const {
    const AxisPiece r = rows_of(p.index), c = columns_of(p.index);
    const int column = static_cast<int>(index % cuts.across) * cuts.columns;
    const int row = static_cast<int>(index / cuts.across % cuts.down) * cuts.rows;
    const int channel = static_cast<int>(index / cuts.across / cuts.down) * cuts.channels;
    const int channels = from_channels - channel < cuts.channels ? from_channels - channel : cuts.channels;
    const int i = taps_before(r, row), j = taps_before(c, column);
    const int tap_rows = taps_before(r, std::int64_t{row} + cuts.rows) - i,
              tap_columns = taps_before(c, std::int64_t{column} + cuts.columns) - j;
    Part part{};
    part.count = std::int64_t{channels} * tap_rows * tap_columns;
    part.middle = tap_rows > 0 ? tap_rows : 1;
    part.inner = tap_columns > 0 ? tap_columns : 1;
    const Digits first{channel, i, j};
    part.a = offset(p.a_k, first) + std::int64_t{r.tap} * columns.kernel + c.tap;
    part.b = offset(p.b_k, first);
    part.row = i * p.row_k;
    part.column = j * p.column_k;
    return part;
  }
};

template <Pass P, bool Bounded>
void correlate(const char* name, Stream stream, const Conv2d& op, std::int64_t images, const float* from,
               const float* w, const float* start, Activation after, float* to) {
  const Image in = op.in, out = op.out();
  const bool forward = P == Pass::Forward;
  Correlation<P, Bounded> c{};
  c.rows = rows_of(op);
  c.columns = columns_of(op);
  c.groups = static_cast<int>(op.groups);
  c.from_channels = static_cast<int>((forward ? in.channels : out.channels) / op.groups);
  c.to_channels = static_cast<int>((forward ? out.channels : in.channels) / op.groups);
  c.cuts = cuts_of(op, c.from_channels);
  c.images = images;
  c.from = from;
  c.w = w;
  c.start = start;
  c.to = to;
  const std::int64_t phases_down = forward ? 1 : std::min(op.stride.height, in.height);
  const std::int64_t phases_across = forward ? 1 : std::min(op.stride.width, in.width);
  c.phases_across = static_cast<int>(phases_across);
  const std::int64_t pieces = op.groups * phases_down * phases_across;
  const std::int64_t n =
      images * (forward ? out.plane() : ceil_div(in.height, phases_down) * ceil_div(in.width, phases_across));
  multiply(name, stream, choose_tile(c.to_channels, n, pieces), c, after, c.to_channels, n, pieces);
}

}  // namespace

void conv2d(Stream stream, const Conv2d& op, std::int64_t images, const float* x, const float* w, const float* bias,
            Activation after, float* y) {
  if (meets_padding(op)) {
    correlate<Pass::Forward, true>("conv2d", stream, op, images, x, w, bias, after, y);
  } else {
    correlate<Pass::Forward, false>("conv2d", stream, op, images, x, w, bias, after, y);
  }
}

void conv2d_backward_input(Stream stream, const Conv2d& op, std::int64_t images, const float* dy, const float* w,
                           float* dx) {
  constexpr const char* name = "conv2d_backward_input";
  const bool every_pixel_once = op.kernel.height == 1 && op.kernel.width == 1 && op.out().height == op.in.height &&
                                op.out().width == op.in.width && !meets_padding(op);
  if (every_pixel_once) {
    correlate<Pass::Backward, false>(name, stream, op, images, dy, w, nullptr, Activation::None, dx);
  } else {
    correlate<Pass::Backward, true>(name, stream, op, images, dy, w, nullptr, Activation::None, dx);
  }
}

}  // namespace convlet::cuda
