#include "ops/blocking.h"

#include <algorithm>
#include <vector>

namespace convlet {
namespace {

// Clocks of one tap of a block of m broadcast values by p vectors on a core that issues two multiply-adds and two loads
// a clock; a multiply-add takes four clocks, so fewer than eight sums leave it waiting. A full vector costs more than a
// value that is broadcast, and the loop has its share: 6 x 4 takes 13 to 14 clocks, 10 x 1 takes 7, 14 x 2 takes 15.
double clocks(double m, double p) { return std::max({m * p / 2, (m + p) / 2, 4.0}) + p / 4 + 1; }

// The lines of one length into which the outputs of spans are cut.
struct Lines {
  int length;
  double taps;  // of all of them
};

std::vector<Lines> lines_of(const Axis& rows, const Axis& columns) {
  std::vector<Lines> all;
  for (const Span& row : rows.spans) {
    for (const Span& column : columns.spans) {
      const int length = std::max(row.outs, column.outs);
      const auto known = std::find_if(all.begin(), all.end(), [&](const Lines& l) { return l.length == length; });
      Lines& lines = known != all.end() ? *known : all.emplace_back(Lines{length, 0.0});
      lines.taps += 1.0 * std::min(row.outs, column.outs) * row.taps * column.taps;
    }
  }
  return all;
}

// Of m output channels, with positions in the vectors.
double clocks_of_channels(const Kernels& kernels, int m, const std::vector<Lines>& all) {
  const int most = std::min(kernels.max_positions, block_width(kernels.registers, m));
  double total = 0;
  for (const Lines& lines : all) {
    const int parts = (lines.length + most - 1) / most, small = lines.length / parts, larger = lines.length % parts;
    total += lines.taps * (larger * clocks(m, small + 1) + (parts - larger) * clocks(m, small));
  }
  return total;
}

// Of p vectors of channels, with positions broadcast.
double clocks_of_vectors(const Kernels& kernels, int p, const std::vector<Lines>& all) {
  const int most = std::min(kernels.max_block, block_width(kernels.registers, p));
  double total = 0;
  for (const Lines& lines : all) {
    const int parts = (lines.length + most - 1) / most;
    total += lines.taps * parts * clocks(1.0 * lines.length / parts, p);
  }
  return total;
}

}  // namespace

Blocks choose_block(const Kernels& kernels, std::int64_t out_channels, const Axis& rows, const Axis& columns) {
  const int most = static_cast<int>(std::min<std::int64_t>(kernels.max_block, out_channels));
  const std::vector<Lines> lines = lines_of(rows, columns);
  Blocks best;
  for (int m = 1; m <= most; ++m) {
    const int rest = static_cast<int>(out_channels % m);
    double total = static_cast<double>(out_channels / m) * clocks_of_channels(kernels, m, lines);
    if (rest) total += clocks_of_channels(kernels, rest, lines);
    if (m == 1 || total < best.clocks) best = {m, total};
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

Blocks choose_vectors(const Kernels& kernels, std::int64_t vectors, const Axis& rows, const Axis& columns) {
  const std::vector<Lines> lines = lines_of(rows, columns);
  Blocks best;
  for (int p = 1; p <= std::min<std::int64_t>(vectors, kernels.max_positions); ++p) {
    const double total = static_cast<double>(ceil_div(vectors, p)) * clocks_of_vectors(kernels, p, lines);
    if (p == 1 || total < best.clocks) best = {p, total};
  }
  return best;
}

}  // namespace convlet
