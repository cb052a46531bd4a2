// Pooling on one tile: the kernels' plain struct from an op's shape.
#pragma once

#include "convlet/pool2d.h"
#include "kernels/table.h"

namespace convlet {

inline Pooling pooling_of(const Pool2d& op) {
  const Image out = op.out();
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  Pooling p{};
  p.channels = narrow(op.in.channels);
  p.height = narrow(op.in.height);
  p.width = narrow(op.in.width);
  p.out_height = narrow(out.height);
  p.out_width = narrow(out.width);
  p.kernel_height = narrow(op.kernel.height);
  p.kernel_width = narrow(op.kernel.width);
  p.stride_height = narrow(op.stride.height);
  p.stride_width = narrow(op.stride.width);
  p.top = narrow(op.padding.top);
  p.bottom = narrow(op.padding.bottom);
  p.left = narrow(op.padding.left);
  p.right = narrow(op.padding.right);
  p.dilation_height = narrow(op.dilation.height);
  p.dilation_width = narrow(op.dilation.width);
  p.divisor = narrow(op.divisor);
  p.count = op.count;
  return p;
}

}  // namespace convlet
