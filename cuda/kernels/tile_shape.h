// The tiles of the matrix product, and which of them a product is cut into.
#pragma once

#include <algorithm>
#include <cstdint>

#include "convlet/shapes.h"

namespace convlet::cuda {

// Outputs of a block of 128 threads: rows x columns.
enum class TileShape { Rows8, Rows16, Rows64, Rows128 };

struct TileSize {
  std::int64_t rows, columns;
  double share;  // of the instructions that are multiply-adds, counted in the loop of a chunk
};

constexpr TileSize size_of(TileShape shape) {
  switch (shape) {
    case TileShape::Rows8:
      return {8, 128, 0.35};
    case TileShape::Rows16:
      return {16, 128, 0.5};
    case TileShape::Rows64:
      return {64, 64, 0.7};
    case TileShape::Rows128:
      break;
  }
  return {128, 64, 0.83};
}

constexpr std::int64_t tiles_of(TileShape shape, std::int64_t m, std::int64_t n) {
  const TileSize size = size_of(shape);
  return ceil_div(m, size.rows) * ceil_div(n, size.columns);
}

// The multiprocessors that work is divided for. A constant, and not what the device has: where sums are split must not
// depend on the device.
constexpr std::int64_t kMultiprocessors = 132;

// Time of `pieces` products of m x n, in multiply-adds of one multiprocessor for each of the common steps: whole rounds
// of blocks, each as long as its tile with its useless outputs.
constexpr double cost_of(TileShape shape, std::int64_t m, std::int64_t n, std::int64_t pieces) {
  const TileSize size = size_of(shape);
  const std::int64_t rounds = ceil_div(tiles_of(shape, m, n) * pieces, kMultiprocessors);
  return static_cast<double>(rounds) * static_cast<double>(size.rows * size.columns) / size.share;
}

constexpr TileShape choose_tile(std::int64_t m, std::int64_t n, std::int64_t pieces) {
  TileShape best = TileShape::Rows8;
  for (const TileShape shape : {TileShape::Rows16, TileShape::Rows64, TileShape::Rows128}) {
    if (cost_of(shape, m, n, pieces) < cost_of(best, m, n, pieces)) best = shape;
  }
  return best;
}

// How a sum over `steps` is split so that the tiles of its m x n results fill the multiprocessors twice: into slots of
// `steps_of_slot`, the last one shorter. A slot has at least 512 steps, which hide what its sums cost on their way.
struct SlotSplit {
  TileShape tile = TileShape::Rows8;
  std::int64_t slots = 1, steps_of_slot = 0;
};

constexpr SlotSplit split_steps(std::int64_t m, std::int64_t n, std::int64_t pieces, std::int64_t steps) {
  constexpr std::int64_t least = 512;
  const std::int64_t most = std::max<std::int64_t>(1, steps / least);
  SlotSplit split;
  split.tile = choose_tile(m, n, pieces * most);
  const std::int64_t wanted = ceil_div(2 * kMultiprocessors, tiles_of(split.tile, m, n) * pieces);
  split.steps_of_slot = std::max<std::int64_t>(1, ceil_div(steps, std::min(most, wanted)));
  split.slots = std::max<std::int64_t>(1, ceil_div(steps, split.steps_of_slot));
  return split;
}

}  // namespace convlet::cuda
