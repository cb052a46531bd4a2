// Activations, one value at a time, and the exponential that they share with softmax: the formulas of
// cpp/kernels/activation.inl, operation by operation, so that the bits are the CPU's.
//
//   relu(x) = max(x, 0)     sigmoid(x) = 1 / (1 + e^-x)     tanh(x) = (1 - e^-2x) / (1 + e^-2x)
//
// NaN stays NaN, and relu(-0) is -0. Every multiply-add is written as one and every division is the correctly rounded
// one, whatever flags the compiler is given for the rest.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "convlet/modes.h"
#include "cuda/kernels/device.cuh"

namespace convlet::cuda {

// b where either is NaN, and where both are zeros, as the CPU's vector instructions choose.
__device__ __forceinline__ float larger(float a, float b) { return a > b ? a : b; }

__device__ __forceinline__ bool greater_or_nan(float a, float b) { return a > b || a != a; }

// e^x = 2^n (1 + r + r^2 p), |r| <= ln(2) / 2.
struct Reduced {
  float power, r, p;
};

// `power` is 2^(n + shift), where -126 <= n + shift <= 127. Adding `whole` rounds to a whole number, which then stands
// in the lowest bits of the sum.
__device__ __forceinline__ Reduced reduce(float x, float shift) {
  constexpr float log2e = 0x1.715476p+0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  const float whole = 0x1.8p+23f + 127.0f + shift;
  const float rounded = fmaf(x, log2e, whole);
  const float n = rounded - whole;
  const float r = fmaf(n, -ln2_low, fmaf(n, -ln2_high, x));
  float p = 0x1.6d113cp-10f;
  p = fmaf(p, r, 0x1.120ba2p-7f);
  p = fmaf(p, r, 0x1.55551ap-5f);
  p = fmaf(p, r, 0x1.5554dcp-3f);
  return {__uint_as_float(__float_as_uint(rounded) << 23), r, fmaf(p, r, 0.5f)};
}

// e^x for x <= 0; below -105 the result is zero.
__device__ __forceinline__ float exp_negative(float x) {
  const Reduced e = reduce(larger(-105.0f, x), 64.0f);
  const float q = fmaf(fmaf(e.p, e.r, 1.0f), e.r, 1.0f);
  return q * e.power * 0x1p-64f;  // the first product is exact, so that a subnormal result is rounded once
}

// u / (u + u e^-x) with u = 2^-64, for x in -105..20, beyond which the results are 0 and 1.
__device__ __forceinline__ float sigmoid(float x) {
  constexpr float unit = 0x1p-64f;
  const Reduced e = reduce(larger(-20.0f, 0.0f - larger(-105.0f, x)), -64.0f);
  const float q = fmaf(fmaf(e.p, e.r, 1.0f), e.r, 1.0f);
  return __fdiv_rn(unit, fmaf(q, e.power, unit));
}

// tanh|x| = -m / (2 + m) with m = e^-2|x| - 1, computed without cancellation; beyond 10 it rounds to 1.
__device__ __forceinline__ float hyperbolic_tangent(float x) {
  const std::uint32_t sign = __float_as_uint(x) & 0x80000000u;
  const float minus_magnitude = __uint_as_float(__float_as_uint(x) | 0x80000000u);
  const Reduced e = reduce(larger(-20.0f, 2.0f * minus_magnitude), 0.0f);
  const float m = fmaf(e.power, fmaf(e.r * e.r, e.p, e.r), e.power - 1.0f);
  const float magnitude = __uint_as_float(__float_as_uint(m) & 0x7fffffffu);
  return __uint_as_float(__float_as_uint(__fdiv_rn(magnitude, 2.0f + m)) | sign);
}

template <Activation A>
__device__ __forceinline__ float activate(float x) {
  if constexpr (A == Activation::Relu) return larger(0.0f, x);
  if constexpr (A == Activation::Sigmoid) return sigmoid(x);
  if constexpr (A == Activation::Tanh) return hyperbolic_tangent(x);
  return x;
}

// The derivative of an activation from its output y, times dy: dy [y > 0] (and dy where y is NaN), dy y (1 - y),
// dy (1 - y^2).
template <Activation A>
__device__ __forceinline__ float derivative(float dy, float y) {
  if constexpr (A == Activation::Relu) return greater_or_nan(y, 0.0f) ? dy : 0.0f;
  if constexpr (A == Activation::Sigmoid) return dy * ((1.0f - y) * y);
  if constexpr (A == Activation::Tanh) return dy * (1.0f - y * y);
  return dy;
}

// For code that learns the activation only when it runs.
__device__ __forceinline__ float activate(Activation kind, float x) {
  switch (kind) {
    case Activation::Relu:
      return activate<Activation::Relu>(x);
    case Activation::Sigmoid:
      return activate<Activation::Sigmoid>(x);
    case Activation::Tanh:
      return activate<Activation::Tanh>(x);
    case Activation::None:
      break;
  }
  return x;
}

}  // namespace convlet::cuda
