// What a run over a set of images takes and gives, on any device.
#pragma once

#include <cstdint>
#include <functional>

namespace convlet {

struct Images {  // (count, size), contiguous; bytes are scaled by 1/255
  const void* data;
  bool bytes;
  std::int64_t count, size;
};

struct Totals {
  double steps = 0, images = 0, loss_sum = 0, correct = 0;
};

enum class At { Tile, Step };
// Asked by the calling thread now and then; true abandons the running step without a trace.
using Watch = std::function<bool(At)>;

}  // namespace convlet
