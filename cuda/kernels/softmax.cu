// Softmax and its relatives over the classes of (outer, classes, inner):
//
//   softmax      y_k = e^(x_k - m) / sum over j of e^(x_j - m),   m = max x     dx_k = y_k (dy_k - sum of dy_j y_j)
//   log_softmax  y_k = x_k - m - ln(sum over j of e^(x_j - m))                  dx_k = dy_k - e^(y_k) sum of dy_j
//
// A thread walks a row where neighbouring threads then read neighbours (inner > 1), or where rows are short; a warp
// walks a long row of neighbours. y may be x, and dx may be dy.
#include "cuda/kernels/softmax.cuh"

#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

enum class Form { Plain, Log };

template <Form F, class Walk>
__global__ void softmax_kernel(const Classes shape, const float* x, float* y) {
  const std::int64_t row = Walk::row_of_grid();
  if (row >= shape.outer * shape.inner) return;
  const std::int64_t first = row / shape.inner * shape.classes * shape.inner + row % shape.inner;
  const ClassRow in{x + first, shape.classes, shape.inner};
  const Walk walk;
  const Scaled s = exponential_sum(walk, in);
  // The natural logarithm, rounded from double precision: one value a row.
  const float log_sum = F == Form::Log ? static_cast<float>(log(static_cast<double>(s.sum))) : 0.0f;
  for (std::int64_t k = walk.lane(); k < shape.classes; k += Walk::kLanes) {
    const float shifted = in[k] - s.largest.value;
    y[first + k * shape.inner] = F == Form::Log ? shifted - log_sum : __fdiv_rn(exp_negative(shifted), s.sum);
  }
}

struct Pair2 {
  float dy, y;
};

template <Form F, class Walk>
__global__ void softmax_backward_kernel(const Classes shape, const float* dy, const float* y, float* dx) {
  const std::int64_t row = Walk::row_of_grid();
  if (row >= shape.outer * shape.inner) return;
  const std::int64_t first = row / shape.inner * shape.classes * shape.inner + row % shape.inner;
  const ClassRow slopes{dy + first, shape.classes, shape.inner}, out{y + first, shape.classes, shape.inner};
  const Walk walk;
  const float sum = walk.in_order(
      0, shape.classes, 0.0f, [&](std::int64_t k) { return Pair2{slopes[k], F == Form::Log ? 1.0f : out[k]}; },
      [](float a, const Pair2& b) { return F == Form::Log ? a + b.dy : fmaf(b.dy, b.y, a); });
  for (std::int64_t k = walk.lane(); k < shape.classes; k += Walk::kLanes) {
    const float slope = slopes[k], value = out[k];
    dx[first + k * shape.inner] = F == Form::Log ? slope - exp_negative(value) * sum : value * (slope - sum);
  }
}

bool by_warp(const Classes& shape) { return shape.inner == 1 && shape.classes > kLongRow; }

template <class Walk>
Geometry geometry_of(const Classes& shape) {
  Geometry geometry = line(shape.outer * shape.inner * Walk::kLanes, kRowThreads);
  geometry.shared_bytes = kRowThreads / Walk::kLanes * Walk::kShared;
  return geometry;
}

template <Form F, class Walk>
void forward(const char* name, Stream stream, const Classes& shape, const float* x, float* y) {
  launch(name, softmax_kernel<F, Walk>, geometry_of<Walk>(shape), stream, shape, x, y);
}

template <Form F, class Walk>
void backward(const char* name, Stream stream, const Classes& shape, const float* dy, const float* y, float* dx) {
  launch(name, softmax_backward_kernel<F, Walk>, geometry_of<Walk>(shape), stream, shape, dy, y, dx);
}

}  // namespace

void softmax(Stream stream, const Classes& shape, const float* x, float* y) {
  const auto run = by_warp(shape) ? forward<Form::Plain, WarpWalk> : forward<Form::Plain, ThreadWalk>;
  run("softmax", stream, shape, x, y);
}

void log_softmax(Stream stream, const Classes& shape, const float* x, float* y) {
  const auto run = by_warp(shape) ? forward<Form::Log, WarpWalk> : forward<Form::Log, ThreadWalk>;
  run("log_softmax", stream, shape, x, y);
}

void softmax_backward(Stream stream, const Classes& shape, const float* dy, const float* y, float* dx) {
  const auto run = by_warp(shape) ? backward<Form::Plain, WarpWalk> : backward<Form::Plain, ThreadWalk>;
  run("softmax_backward", stream, shape, dy, y, dx);
}

void log_softmax_backward(Stream stream, const Classes& shape, const float* dy, const float* y, float* dx) {
  const auto run = by_warp(shape) ? backward<Form::Log, WarpWalk> : backward<Form::Log, ThreadWalk>;
  run("log_softmax_backward", stream, shape, dy, y, dx);
}

}  // namespace convlet::cuda
