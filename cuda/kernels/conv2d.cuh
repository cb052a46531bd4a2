// The convolution as matrix products: what conv2d.cu and conv2d_gradient.cu tell matrix_product.cuh.
#pragma once

#include <cstdint>

#include "convlet/conv2d.h"
#include "cuda/kernels/matrix_product.cuh"

namespace convlet::cuda {

// One axis of an image, in 32 bits: what 0 .. 2^31 - 1 cannot hold has been refused.
struct AxisShape {
  int in, out, kernel, stride, dilation, before;
};

inline AxisShape rows_of(const Conv2d& op) {
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  return {narrow(op.in.height),     narrow(op.out().height),    narrow(op.kernel.height),
          narrow(op.stride.height), narrow(op.dilation.height), narrow(op.padding.top)};
}

inline AxisShape columns_of(const Conv2d& op) {
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  return {narrow(op.in.width),     narrow(op.out().width),    narrow(op.kernel.width),
          narrow(op.stride.width), narrow(op.dilation.width), narrow(op.padding.left)};
}

// Whether some output of an axis meets the padding.
inline bool meets_padding(const AxisShape& a) {
  const std::int64_t last = std::int64_t{a.out - 1} * a.stride - a.before + std::int64_t{a.kernel - 1} * a.dilation;
  return a.before > 0 || last >= a.in;
}

inline bool meets_padding(const Conv2d& op) { return meets_padding(rows_of(op)) || meets_padding(columns_of(op)); }

}  // namespace convlet::cuda
