// What a block of the matrix product works on: one product of a launch, and a part of its chains.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace convlet::cuda {

struct Linear3 {  // offset of an index of three digits
  std::int64_t outer, middle, inner;
};

struct Digits {
  std::int64_t outer;
  int middle, inner;
};

__device__ __forceinline__ std::int64_t offset(const Linear3& f, const Digits& d) {
  return d.outer * f.outer + d.middle * f.middle + d.inner * f.inner;
}

__device__ __forceinline__ Digits digits_of(std::int64_t index, int middle, int inner) {
  const std::int64_t rows = index / inner;
  return {rows / middle, static_cast<int>(rows % middle), static_cast<int>(index % inner)};
}

// One product of a launch. Offsets are in floats.
struct Piece {
  std::int64_t m, n;
  const float *a, *b, *start;  // start: null for zeros
  float* c;
  std::int64_t a_m, c_m;                         // from row to row
  std::int64_t b_first, c_first;                 // of column 0
  int n_middle, n_inner;                         // digits of a column; at least 1
  Linear3 b_n, c_n;                              // of a column
  Linear3 a_k, b_k;                              // of a step
  int row, row_n, row_k, row_limit;              // bounded: a step is in the chain of a column where
  int column, column_n, column_k, column_limit;  // 0 <= row + row_n middle(n) + row_k middle(k) < row_limit, and so on
  std::int64_t index;                            // whatever tells its parts apart from those of other pieces
  std::int64_t parts;                            // of every chain
};

// Steps between two cuts of the chains: `count` steps from `first` on, in digits of these sizes (at least 1).
struct Part {
  std::int64_t first, count;
  int middle, inner;
  std::int64_t a, b;  // what the first digits add to the offsets
  int row, column;    // and to the bounds
};

}  // namespace convlet::cuda
