// linear: y[n][o] = activation(b[o] + sum over i of w[o][i] x[n][i]), and its gradients
//
//   dx[n][i] = sum over o of w[o][i] dy[n][o],   dw[o][i] = sum over n of dy[n][o] x[n][i],   db[o] = sum over n of dy
//
// x (N, I), w (O, I), y (N, O), contiguous. Plain matrix products: the sums of y and dx are the CPU's chains, cut every
// kChain steps; those of dw are split into slots at places that depend on the shapes alone, which are added in order.
// Images are rows, or columns where the tiles then have fewer useless outputs: a chain is the same either way.
#include <algorithm>

#include "convlet/tile.h"
#include "cuda/kernels/matrix_product.cuh"
#include "cuda/kernels/sums.h"
#include "cuda/ops.h"

namespace convlet::cuda {
namespace {

template <Order A, Order B, Along Start>
struct Dense {
  static constexpr Order kA = A, kB = B;
  static constexpr Along kStart = Start;
  static constexpr bool kBounded = false;

  std::int64_t m, n, steps;
  const float *a, *b, *start;
  float* c;
  std::int64_t a_m, a_k, b_n, b_k, c_m, c_n;  // from row to row, step to step, column to column
  std::int64_t steps_of_slot, parts_of_slot;  // c (slots, m, n)

  __device__ Piece piece(std::int64_t slot) const {
    Piece p{};
    p.m = m;
    p.n = n;
    p.a = a;
    p.b = b;
    p.start = start;
    p.c = c + slot * m * n;
    p.a_m = a_m;
    p.c_m = c_m;
    p.a_k = {a_k, 0, 0};
    p.b_n = {b_n, 0, 0};
    p.b_k = {b_k, 0, 0};
    p.c_n = {c_n, 0, 0};
    p.n_middle = p.n_inner = 1;
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
    part.middle = part.inner = 1;
    return part;
  }
};

template <Order A, Order B, Along Start>
void run(const char* name, Stream stream, TileShape tile, std::int64_t slots, Dense<A, B, Start> d, Activation after) {
  d.parts_of_slot = std::max<std::int64_t>(1, ceil_div(d.steps_of_slot, kChain));
  multiply(name, stream, tile, d, after, d.m, d.n, slots);
}

}  // namespace

void linear(Stream stream, const Linear& op, std::int64_t images, const float* x, const float* w, const float* bias,
            Activation after, float* y) {
  const std::int64_t i = op.inputs, o = op.outputs;
  const TileShape rows = choose_tile(images, o, 1), columns = choose_tile(o, images, 1);
  if (cost_of(rows, images, o, 1) <= cost_of(columns, o, images, 1)) {
    const Dense<Order::Steps, Order::Steps, Along::Columns> d{images, o, i, x, w, bias, y, i, 1, i, 1, o, 1, i, 0};
    run("linear", stream, rows, 1, d, after);
  } else {
    const Dense<Order::Steps, Order::Steps, Along::Rows> d{o, images, i, w, x, bias, y, i, 1, i, 1, 1, o, i, 0};
    run("linear", stream, columns, 1, d, after);
  }
}

void linear_backward_input(Stream stream, const Linear& op, std::int64_t images, const float* dy, const float* w,
                           float* dx) {
  const std::int64_t i = op.inputs, o = op.outputs;
  const Dense<Order::Steps, Order::Outputs, Along::Rows> d{images, i, o, dy, w, nullptr, dx, o, 1, 1, i, i, 1, o, 0};
  run("linear_backward_input", stream, choose_tile(images, i, 1), 1, d, Activation::None);
}

std::int64_t linear_scratch(const Linear& op, std::int64_t images) {
  const std::int64_t slots = split_steps(op.outputs, op.inputs, 1, images).slots;
  return std::max(slots > 1 ? slots * op.weights() : 0, bias_scratch(images, op.outputs, 1));
}

void linear_backward_weight(Stream stream, const Linear& op, std::int64_t images, const float* dy, const float* x,
                            float* scratch, float* dw, float* db) {
  constexpr const char* name = "linear_backward_weight";
  const std::int64_t i = op.inputs, o = op.outputs;
  const SlotSplit split = split_steps(o, i, 1, images);
  float* slots = split.slots > 1 ? scratch : dw;
  const Dense<Order::Outputs, Order::Outputs, Along::Rows> d{
      o, i, images, dy, x, nullptr, slots, 1, o, 1, i, i, 1, split.steps_of_slot, 0};
  run(name, stream, split.tile, split.slots, d, Activation::None);
  if (split.slots > 1) sum_slots(name, stream, scratch, split.slots, op.weights(), dw);
  if (db) bias_gradient(name, stream, images, o, 1, dy, scratch, db);
}

}  // namespace convlet::cuda
