// The weight and bias gradients of conv2d:
//
//   dw[o][c][kh][kw] = sum over n, p of dy[n][o][p] x[n][c][p s - before + (kh, kw) d],  db[o] = sum over n, p of dy
//
// As a matrix product: rows are the output channels of a group, columns its weights for one of them, steps the
// positions over all images. The steps are split into slots at places that depend on the shapes alone; a slot is a
// piece of the launch with sums of its own in the scratch memory, which are then added in order.
#include "cuda/kernels/conv2d.cuh"
#include "cuda/kernels/sums.h"
#include "cuda/ops.h"

namespace convlet::cuda {
namespace {

template <bool Bounded>
struct Gradient {
  static constexpr Order kA = Order::Steps, kB = Order::Steps;
  static constexpr Along kStart = Along::Rows;
  static constexpr bool kBounded = Bounded;

  AxisShape rows, columns;
  int groups, in_channels, out_channels;  // channels of a group
  std::int64_t steps, steps_of_slot, parts_of_slot;
  const float *dy, *x;
  float* slots;

  __device__ Piece piece(std::int64_t index) const {
    const std::int64_t g = index % groups, slot = index / groups;
    const std::int64_t plane = std::int64_t{rows.in} * columns.in, out_plane = std::int64_t{rows.out} * columns.out;
    const std::int64_t taps = std::int64_t{rows.kernel} * columns.kernel, weights = in_channels * taps;
    Piece p{};
    p.m = out_channels;
    p.n = weights;
    p.a = dy + g * out_channels * out_plane;
    p.a_m = out_plane;
    p.a_k = {groups * out_channels * out_plane, columns.out, 1};
    p.b = x;
    p.b_first = g * in_channels * plane - std::int64_t{rows.before} * columns.in - columns.before;
    p.b_n = {plane, std::int64_t{rows.dilation} * columns.in, columns.dilation};
    p.b_k = {groups * in_channels * plane, std::int64_t{rows.stride} * columns.in, columns.stride};
    p.c = slots + (slot * groups + g) * out_channels * weights;
    p.c_m = weights;
    p.c_n = {taps, columns.kernel, 1};
    p.n_middle = rows.kernel;
    p.n_inner = columns.kernel;
    p.row = -rows.before;
    p.row_n = rows.dilation;
    p.row_k = rows.stride;
    p.row_limit = rows.in;
    p.column = -columns.before;
    p.column_n = columns.dilation;
    p.column_k = columns.stride;
    p.column_limit = columns.in;
    p.index = slot;
    p.parts = parts_of_slot;
    return p;
  }

  __device__ Part part(const Piece& p, std::int64_t index) const {
    Part part{};
    part.first = p.index * steps_of_slot + index * kChain;
    const std::int64_t end = (p.index + 1) * steps_of_slot < steps ? (p.index + 1) * steps_of_slot : steps;
    const std::int64_t rest = end - part.first;
    part.count = rest < 0 ? 0 : rest < kChain ? rest : kChain;
    part.middle = rows.out;
    part.inner = columns.out;
    return part;
  }
};

SlotSplit split_of(const Conv2d& op, std::int64_t images) {
  return split_steps(op.out_channels / op.groups, op.weights() / op.out_channels, op.groups, images * op.out().plane());
}

template <bool Bounded>
void weight_gradient(Stream stream, const Conv2d& op, std::int64_t images, const float* dy, const float* x,
                     float* scratch, float* dw) {
  constexpr const char* name = "conv2d_backward_weight";
  const SlotSplit split = split_of(op, images);
  Gradient<Bounded> g{};
  g.rows = rows_of(op);
  g.columns = columns_of(op);
  g.groups = static_cast<int>(op.groups);
  g.in_channels = static_cast<int>(op.channels_of_group());
  g.out_channels = static_cast<int>(op.out_channels / op.groups);
  g.steps = images * op.out().plane();
  g.steps_of_slot = split.steps_of_slot;
  g.parts_of_slot = ceil_div(split.steps_of_slot, kChain);
  g.dy = dy;
  g.x = x;
  g.slots = split.slots > 1 ? scratch : dw;
  multiply(name, stream, split.tile, g, Activation::None, g.out_channels, op.weights() / op.out_channels,
           op.groups * split.slots);
  if (split.slots > 1) sum_slots(name, stream, scratch, split.slots, op.weights(), dw);
}

}  // namespace

std::int64_t conv2d_scratch(const Conv2d& op, std::int64_t images) {
  const std::int64_t slots = split_of(op, images).slots;
  return std::max(slots > 1 ? slots * op.weights() : 0, bias_scratch(images, op.out_channels, op.out().plane()));
}

void conv2d_backward_weight(Stream stream, const Conv2d& op, std::int64_t images, const float* dy, const float* x,
                            float* scratch, float* dw, float* db) {
  if (meets_padding(op)) {
    weight_gradient<true>(stream, op, images, dy, x, scratch, dw);
  } else {
    weight_gradient<false>(stream, op, images, dy, x, scratch, dw);
  }
  if (db) bias_gradient("conv2d_backward_weight", stream, images, op.out_channels, op.out().plane(), dy, scratch, db);
}

}  // namespace convlet::cuda
