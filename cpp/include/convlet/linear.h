// linear: y[n][o] = b[o] + sum over i of w[o][i] x[n][i];  x (N, I), w (O, I), y (N, O).
#pragma once

#include "convlet/shapes.h"

namespace convlet {

struct Linear {
  std::int64_t inputs = 1, outputs = 1;
  std::int64_t weights() const { return inputs * outputs; }
};

void check(const Linear& op);

}  // namespace convlet
