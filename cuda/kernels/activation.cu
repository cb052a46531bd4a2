// Activations and their derivatives from the output:
//
//   y[i] = f(x[i]),   dx[i] = f'(y[i]) dy[i]
//
// Of contiguous floats; y may be x, and dx may be dy. A thread takes four neighbours where the arrays allow it: the
// memory is what these kernels wait for.
#include "cuda/kernels/activation.cuh"

#include "cuda/kernels/pack.cuh"
#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

template <Activation A, int Width>
__global__ void activation_kernel(const float* x, std::int64_t count, float* y) {
  const std::int64_t first = thread_of_grid() * Width;
  if (first + Width <= count) {
    float value[Width];
    load_pack<Width>(x + first, value);
#pragma unroll
    for (float& v : value) v = activate<A>(v);
    store_pack<Width>(y + first, value);
    return;
  }
  for (std::int64_t i = first; i < count; ++i) y[i] = activate<A>(x[i]);
}

template <Activation A, int Width>
__global__ void derivative_kernel(const float* dy, const float* y, std::int64_t count, float* dx) {
  const std::int64_t first = thread_of_grid() * Width;
  if (first + Width <= count) {
    float slope[Width], value[Width];
    load_pack<Width>(dy + first, slope);
    load_pack<Width>(y + first, value);
#pragma unroll
    for (int i = 0; i < Width; ++i) slope[i] = derivative<A>(slope[i], value[i]);
    store_pack<Width>(dx + first, slope);
    return;
  }
  for (std::int64_t i = first; i < count; ++i) dx[i] = derivative<A>(dy[i], y[i]);
}

template <Activation A>
void activation_of(Stream stream, const float* x, std::int64_t count, float* y) {
  if (aligned(x) && aligned(y)) {
    launch("activation", activation_kernel<A, 4>, line((count + 3) / 4), stream, x, count, y);
  } else {
    launch("activation", activation_kernel<A, 1>, line(count), stream, x, count, y);
  }
}

template <Activation A>
void derivative_of(Stream stream, const float* dy, const float* y, std::int64_t count, float* dx) {
  if (aligned(dy) && aligned(y) && aligned(dx)) {
    launch("activation_backward", derivative_kernel<A, 4>, line((count + 3) / 4), stream, dy, y, count, dx);
  } else {
    launch("activation_backward", derivative_kernel<A, 1>, line(count), stream, dy, y, count, dx);
  }
}

}  // namespace

void activation(Stream stream, Activation kind, const float* x, std::int64_t count, float* y) {
  switch (kind) {
    case Activation::None:
      return activation_of<Activation::None>(stream, x, count, y);
    case Activation::Relu:
      return activation_of<Activation::Relu>(stream, x, count, y);
    case Activation::Sigmoid:
      return activation_of<Activation::Sigmoid>(stream, x, count, y);
    case Activation::Tanh:
      return activation_of<Activation::Tanh>(stream, x, count, y);
  }
}

void activation_backward(Stream stream, Activation kind, const float* dy, const float* y, std::int64_t count,
                         float* dx) {
  switch (kind) {
    case Activation::None:
      return derivative_of<Activation::None>(stream, dy, y, count, dx);
    case Activation::Relu:
      return derivative_of<Activation::Relu>(stream, dy, y, count, dx);
    case Activation::Sigmoid:
      return derivative_of<Activation::Sigmoid>(stream, dy, y, count, dx);
    case Activation::Tanh:
      return derivative_of<Activation::Tanh>(stream, dy, y, count, dx);
  }
}

}  // namespace convlet::cuda
