// An axis of a convolution, cut into spans of outputs that see the same kernel taps.
//
// Padded taps are skipped, never multiplied by zero: near a border an output sees fewer taps, and all
// outputs between two such borders see the same ones. The same description serves the forward pass
// (outputs are y, inputs are x) and the input gradient (outputs are dx, inputs are dy).
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "convlet/shapes.h"
#include "convlet/tile.h"

namespace convlet {

struct Axis {
  std::vector<Span> spans;
  std::int32_t in_per_out = 1, in_per_tap = 1;  // steps of the input from output to output, tap to tap
};

namespace detail {
inline void append(std::vector<Span>& spans, std::int64_t out, std::int64_t step, std::int64_t tap,
                   std::int64_t tap_step, std::int64_t taps, std::int64_t in, bool fresh) {
  if (!fresh && spans.back().tap == tap && spans.back().taps == taps) {
    ++spans.back().outs;
  } else {
    spans.push_back({static_cast<std::int32_t>(out), static_cast<std::int32_t>(step), 1, static_cast<std::int32_t>(tap),
                     static_cast<std::int32_t>(tap_step), static_cast<std::int32_t>(taps),
                     static_cast<std::int32_t>(in)});
  }
}
}  // namespace detail

// y[o] = sum over k of w[k] x[o * stride - before + k * dilation], 0 <= that index < n.
inline Axis forward_axis(std::int64_t n, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                         std::int64_t dilation, std::int64_t before) {
  Axis axis{{}, static_cast<std::int32_t>(stride), static_cast<std::int32_t>(dilation)};
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t origin = o * stride - before;
    const std::int64_t first = origin >= 0 ? 0 : ceil_div(-origin, dilation);
    const std::int64_t last = origin >= n ? 0 : std::min(kernel, (n - 1 - origin) / dilation + 1);
    const std::int64_t taps = std::max<std::int64_t>(0, last - first);
    detail::append(axis.spans, o, 1, taps ? first : 0, 1, taps, taps ? origin + first * dilation : 0, o == 0);
  }
  return axis;
}

// dx[i] = sum over k of w[k] dy[(i + before - k * dilation) / stride], where that is whole and in 0..outputs-1.
inline Axis backward_axis(std::int64_t n, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                          std::int64_t dilation, std::int64_t before) {
  const std::int64_t common = std::gcd(stride, dilation);
  const std::int64_t tap_step = stride / common;
  Axis axis{{}, 1, static_cast<std::int32_t>(-dilation / common)};
  for (std::int64_t phase = 0; phase < std::min(stride, n); ++phase) {
    bool fresh = true;
    for (std::int64_t i = phase; i < n; i += stride, fresh = false) {
      std::int64_t first = -1, taps = 0;
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t numerator = i + before - k * dilation;
        if (numerator < 0 || numerator % stride != 0 || numerator / stride >= outputs) continue;
        if (first < 0) first = k;
        ++taps;
      }
      const std::int64_t in = taps ? (i + before - first * dilation) / stride : 0;
      detail::append(axis.spans, i, stride, taps ? first : 0, tap_step, taps, in, fresh);
    }
  }
  return axis;
}

}  // namespace convlet
