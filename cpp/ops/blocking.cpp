#include "ops/blocking.h"

#include <algorithm>

namespace convlet {
namespace {

// Clocks of one tap of a block of m channels x p positions on a core that issues two multiply-adds and two loads
// a clock; a multiply-add takes four clocks, so fewer than eight sums leave it waiting. A position costs more than a
// channel, whose weights lie side by side: measured, 6 x 4 reaches 96 % of the peak and 2 x 10 80 %.
double clocks(int m, int p) { return std::max({m * p / 2.0, (m + p) / 2.0, 4.0}) + p / 4.0; }

int max_positions(const Kernels& kernels, int m) {
  return std::min(kernels.max_positions, block_width(kernels.registers, m));
}

double clocks_of_channels(const Kernels& kernels, int m, const Axis& rows, const Axis& columns) {
  double total = 0;
  for (const Span& row : rows.spans) {
    for (const Span& column : columns.spans) {
      const int length = std::max(row.outs, column.outs), lines = std::min(row.outs, column.outs);
      const int most = max_positions(kernels, m), parts = (length + most - 1) / most;
      const double taps = static_cast<double>(row.taps) * column.taps;
      const int small = length / parts, larger = length % parts;
      total += lines * taps * (larger * clocks(m, small + 1) + (parts - larger) * clocks(m, small));
    }
  }
  return total;
}

}  // namespace

int choose_block(const Kernels& kernels, std::int64_t out_channels, const Axis& rows, const Axis& columns) {
  const int most = static_cast<int>(std::min<std::int64_t>(kernels.max_block, out_channels));
  int best = 1;
  double best_clocks = 0;
  for (int m = 1; m <= most; ++m) {
    const auto full = out_channels / m;
    const int rest = static_cast<int>(out_channels % m);
    double total = static_cast<double>(full) * clocks_of_channels(kernels, m, rows, columns);
    if (rest) total += clocks_of_channels(kernels, rest, rows, columns);
    if (m == 1 || total < best_clocks) {
      best = m;
      best_clocks = total;
    }
  }
  return best;
}

int choose_band(std::int64_t in_channels, std::int64_t width, std::int64_t row_step) {
  constexpr std::int64_t kBytes = 256 << 10;
  const std::int64_t row =
      std::max<std::int64_t>(1, in_channels * width * kTile * std::int64_t{sizeof(float)} * row_step);
  return static_cast<int>(std::clamp<std::int64_t>(kBytes / row, 1, 1 << 20));
}

void cut_chains(const Conv2d& op, Correlation& c) {
  const std::int64_t taps = op.kernel.height * op.kernel.width;
  c.chain_channels = static_cast<std::int32_t>(std::max<std::int64_t>(1, kChain / taps));
  const std::int64_t rows = taps > kChain ? kChain / op.kernel.width : op.kernel.height;
  c.chain_rows = static_cast<std::int32_t>(std::max<std::int64_t>(1, rows));
  c.chain_columns = static_cast<std::int32_t>(std::min<std::int64_t>(op.kernel.width, kChain));
}

int choose_vectors(const Kernels& kernels, std::int64_t vectors, const Axis& rows, const Axis& columns) {
  int best = 1;
  double best_clocks = 0;
  for (int p = 1; p <= std::min<std::int64_t>(vectors, kernels.max_positions); ++p) {
    const int most = std::min(kernels.max_block, block_width(kernels.registers, p));
    double total = 0;
    for (const Span& row : rows.spans) {
      for (const Span& column : columns.spans) {
        const int length = std::max(row.outs, column.outs), lines = std::min(row.outs, column.outs);
        const int parts = (length + most - 1) / most;
        const double m = static_cast<double>(length) / parts, taps = static_cast<double>(row.taps) * column.taps;
        total += lines * parts * taps * (std::max({m * p / 2.0, (m + p) / 2.0, 4.0}) + p / 4.0);
      }
    }
    total *= static_cast<double>(ceil_div(vectors, p));
    if (p == 1 || total < best_clocks) {
      best = p;
      best_clocks = total;
    }
  }
  return best;
}

}  // namespace convlet
