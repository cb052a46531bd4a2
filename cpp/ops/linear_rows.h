// linear on rows as NumPy has them, with 16 outputs in the lanes of a vector. The same bits as LinearTile.
#pragma once

#include "convlet/linear.h"
#include "kernels/table.h"

namespace convlet {

class LinearRows {
 public:
  LinearRows(const Linear& op, const Kernels& kernels);

  std::int64_t scratch(std::int64_t rows) const;  // floats

  // Rows of x, each of its inputs, to rows of y. The weight (O, I) is brought into vectors on the way, a piece at a
  // time.
  void run(std::int64_t rows, const float* x, const float* w, const float* bias, float* scratch, float* y) const;

 private:
  Linear op_;
  const Kernels* kernels_;
  std::int64_t vectors_, chunk_;  // of outputs; inputs of a piece
};

}  // namespace convlet
