// A net that slides over a picture: where each layer's outputs lie for all windows at once, as plain data.
//
// Along an axis of the picture a layer's outputs form lines. A line holds one position of a window at every place, and
// so one number for each window; or one that windows share, and a few numbers more. The tap of a kernel that the output
// of window k meets lies at number k + shift of a line of the input. A pair of lines, of rows and of columns, is a
// plane.
#pragma once

#include <cstdint>
#include <vector>

#include "convlet/shapes.h"
#include "convlet/spec.h"

namespace convlet {

struct LineTap {
  std::int32_t tap, line, shift;  // of the kernel; of the input, where the tap lies at number k + shift
};

struct Line {
  std::int64_t extra = 0;  // numbers beyond one for each window
  std::int64_t cells = 1;  // that an average divides by, along this axis
  std::vector<LineTap> taps;
};

using Lines = std::vector<Line>;

struct SlidingLayer {
  LayerKind kind = LayerKind::Identity;
  std::int64_t channels = 1;  // of the output
  // Of convolutions and poolings, which other layers leave out; a dense layer is a convolution here, whose kernel is as
  // large as its input.
  Lines rows, columns;
  Pair kernel;
  std::int64_t groups = 1;
  const float* weight = nullptr;  // (O, C / groups, KH, KW)
  const float* bias = nullptr;    // or null
  std::int64_t divisor = 0;       // of an average; 0: the cells of its lines
  std::vector<float> mean, std;   // of each channel
};

struct SlidingNet {
  std::int64_t channels = 1;
  Lines rows, columns;  // of the picture: line r holds its pixels r, r + step, r + 2 step, ...
  Pair step;            // pixels from one window to the next
  std::vector<SlidingLayer> layers;
};

struct Picture {  // (C, H, W), contiguous; bytes are scaled by 1/255
  const void* data;
  bool bytes;
  Image size;
  std::int64_t top, left;  // of the first window
};

}  // namespace convlet
