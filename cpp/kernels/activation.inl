// Activations, one value at a time, and the exponential that they share with softmax.
//
//   relu(x) = max(x, 0)     sigmoid(x) = 1 / (1 + e^-x)     tanh(x) = (1 - e^-2x) / (1 + e^-2x)
//
// NaN stays NaN, and relu(-0) is -0. Sigmoid and tanh are within 4 units in the last place, subnormal results included,
// and fall by no more than 2 floats as x grows: scripts/check_activations.py looks at every float32.

constexpr float kLog2e = 0x1.715476p+0f;
constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;  // the product of the first with |n| < 2^9 is exact
constexpr float kWhole = 0x1.8p+23f;  // adding it rounds to a whole number, which then stands in the lowest bits

struct Reduced {  // e^(s x) = 2^n (1 + s r + r^2 p), |r| <= ln(2) / 2
  Vec power, r, p;
};

// The polynomial is the near-minimax fit (Chebyshev nodes) of (e^r - 1 - r) / r^2; its error is 0.1 ulp of e^r. `power`
// is 2^(n + shift), where -126 <= n + shift <= 127. The sign s, 1 or -1, goes into the constants.
CONVLET_INLINE Reduced reduce(Vec x, float s, float shift) {
  const float whole = kWhole + 127.0f + shift;
  const Vec rounded = fma(x, set(s * kLog2e), set(whole));
  const Vec n = rounded - set(whole);
  const Vec r = fma(n, set(-s * kLn2Low), fma(n, set(-s * kLn2High), x));
  Vec p = set(0x1.6d113cp-10f);
  p = fma(p, r, set(s * 0x1.120ba2p-7f));
  p = fma(p, r, set(0x1.55551ap-5f));
  p = fma(p, r, set(s * 0x1.5554dcp-3f));
  return {exponent_of_low_bits(rounded), r, fma(p, r, set(0.5f))};
}

// e^x for x <= 0; below -105 the result is zero.
CONVLET_INLINE Vec exp_negative(Vec x) {
  const Reduced e = reduce(max(set(-105.0f), x), 1.0f, 64.0f);
  const Vec q = fma(fma(e.p, e.r, set(1.0f)), e.r, set(1.0f));
  return q * e.power * set(0x1p-64f);  // the first product is exact, so that a subnormal result is rounded once
}

// u / (u + u e^-x) with u = 2^-64, for x in -105..20, beyond which the results are 0 and 1. The unit keeps e^105
// finite, so that one formula serves both signs: 12.5 clocks for 16 values on AVX-512, and 14.0 with t / (1 + t) where
// x < 0.
CONVLET_INLINE Vec sigmoid(Vec x) {
  constexpr float unit = 0x1p-64f;
  const Reduced e = reduce(min(set(20.0f), max(set(-105.0f), x)), -1.0f, -64.0f);
  const Vec q = fma(fma(e.p, e.r, set(-1.0f)), e.r, set(1.0f));
  return set(unit) / fma(q, e.power, set(unit));
}

// tanh|x| = -m / (2 + m) with m = e^-2|x| - 1, computed without cancellation; beyond 10 it rounds to 1.
CONVLET_INLINE Vec tanh(Vec x) {
  const Reduced e = reduce(max(set(-20.0f), set(2.0f) * minus_magnitude(x)), 1.0f, 0.0f);
  const Vec m = fma(e.power, fma(e.r * e.r, e.p, e.r), e.power - set(1.0f));
  return with_sign(magnitude(m) / (set(2.0f) + m), x);
}

CONVLET_INLINE Vec relu(Vec x) { return max(set(0.0f), x); }

// Calls run with an activation, f(x).
template <class Run>
CONVLET_INLINE void with_activation(Activation kind, Run&& run) {
  switch (kind) {
    case Activation::Relu:
      return run([](Vec v) { return relu(v); });
    case Activation::Sigmoid:
      return run([](Vec v) { return sigmoid(v); });
    case Activation::Tanh:
      return run([](Vec v) { return tanh(v); });
    case Activation::None:
      return run([](Vec v) { return v; });
  }
}

// Calls run with the derivative of an activation, f(dy, y) from its output y: dy [y > 0] (and dy where y is NaN),
// dy y (1 - y), dy (1 - y^2).
template <class Run>
CONVLET_INLINE void with_derivative(Activation kind, Run&& run) {
  switch (kind) {
    case Activation::Relu:
      return run([](Vec d, Vec y) { return select(greater_or_nan(y, set(0.0f)), d, set(0.0f)); });
    case Activation::Sigmoid:
      return run([](Vec d, Vec y) { return d * ((set(1.0f) - y) * y); });
    case Activation::Tanh:
      return run([](Vec d, Vec y) { return d * (set(1.0f) - y * y); });
    case Activation::None:
      return run([](Vec d, Vec) { return d; });
  }
}
