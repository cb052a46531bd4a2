// max_pool2d and avg_pool2d: a window slides over each channel by itself.
#pragma once

#include "convlet/modes.h"
#include "convlet/shapes.h"

namespace convlet {

struct Pool2d {
  Image in;
  Pair kernel, stride, dilation;
  Padding padding;
  bool ceil_mode = false;
  AverageDivisor count = AverageDivisor::Window;
  std::int64_t divisor = 0;  // of an average; 0: as `count` says

  Image out() const {
    return {
        in.channels,
        pool_output(in.height, padding.top, padding.bottom, kernel.height, dilation.height, stride.height, ceil_mode),
        pool_output(in.width, padding.left, padding.right, kernel.width, dilation.width, stride.width, ceil_mode)};
  }

  // Every pixel lies in exactly one window.
  bool partitions() const {
    const Image o = out();
    return padding.top == 0 && padding.left == 0 && dilation.height == 1 && dilation.width == 1 &&
           kernel.height == stride.height && kernel.width == stride.width && o.height * stride.height >= in.height &&
           o.width * stride.width >= in.width;
  }
};

// Throws std::invalid_argument that names what was expected and what came; `name` is the op's.
void check(const Pool2d& op, const char* name);

}  // namespace convlet
