#include "ops/matrix_tile.h"

#include <algorithm>

#include "ops/buffer.h"

namespace convlet {
namespace {

constexpr std::int64_t kRows = 16;  // of a matrix tile
constexpr std::int64_t kCell = 32;  // values of bf16: two for each image

std::int32_t narrow(std::int64_t n) { return static_cast<std::int32_t>(n); }

std::uint16_t* halves(float* p) { return reinterpret_cast<std::uint16_t*>(p); }
const std::uint16_t* halves(const float* p) { return reinterpret_cast<const std::uint16_t*>(p); }
std::uint16_t* room_for(Scratch slot, std::int64_t values) {
  return halves(scratch(slot, static_cast<std::size_t>(values / 2)));
}

}  // namespace

bool MatrixTile::suits(const Conv2d& op) {
  return op.groups == 1 && op.stride.height == 1 && op.stride.width == 1 && op.dilation.width == 1 &&
         op.kernel.width <= kRows;
}

Conv2d MatrixTile::convolution(const Linear& op) {
  Conv2d conv;
  conv.in = {op.inputs, 1, 1};
  conv.out_channels = op.outputs;
  return conv;
}

MatrixTile::MatrixTile(const Conv2d& op, const MatrixKernels& kernels) : op_(op), kernels_(&kernels) {
  const Image in = op.in, out = op.out();
  forward_ = pass(in, out, op.padding.top, op.padding.left);
  backward_ = pass(out, in, op.dilation.height * (op.kernel.height - 1) - op.padding.top,
                   op.kernel.width - 1 - op.padding.left);
  for (std::int64_t c = 0; c < in.channels; ++c) {
    backward_to_.push_back(backward_.place(c));
    for (std::int64_t kh = 0; kh < op.kernel.height; ++kh) {
      for (std::int64_t kw = 0; kw < op.kernel.width; ++kw) forward_from_.push_back(forward_.place(c, kh, kw));
    }
  }
  gradient_.in_channels = narrow(in.channels);
  gradient_.out_channels = narrow(out.channels);
  gradient_.kernel_height = narrow(op.kernel.height);
  gradient_.kernel_width = narrow(op.kernel.width);
  gradient_.row_dilation = narrow(op.dilation.height);
  gradient_.height = narrow(in.height);
  gradient_.width = narrow(in.width);
  gradient_.out_height = narrow(out.height);
  gradient_.out_width = narrow(out.width);
  gradient_.top = narrow(op.padding.top);
  gradient_.left = narrow(op.padding.left);
}

// A single channel has no partner: the rows that the kernel sees of it take the place of channels.
MatrixTile::Pass MatrixTile::pass(const Image& from, const Image& to, std::int64_t top, std::int64_t left) const {
  const bool fold = from.channels == 1;
  Pass pass;
  CellPlan& cells = pass.cells;
  cells.channels = narrow(from.channels);
  cells.height = narrow(from.height);
  cells.width = narrow(from.width);
  cells.folded = fold ? narrow(op_.kernel.height) : 1;
  cells.fold_step = narrow(op_.dilation.height);
  cells.rows = narrow(fold ? to.height : to.height + op_.dilation.height * (op_.kernel.height - 1));
  cells.columns = narrow(to.width + op_.kernel.width - 1);
  cells.row_step = 1;
  cells.top = narrow(top);
  cells.left = narrow(left);

  CellCorrelation& c = pass.correlation;
  c.out_channels = narrow(to.channels);
  c.chunk = narrow(ceil_div(to.channels, ceil_div(to.channels, kRows)));
  c.runs = fold ? 1 : narrow(op_.kernel.height);
  c.run_cells = narrow(op_.kernel.width * pass.pairs());
  c.out_rows = narrow(to.height);
  c.out_columns = narrow(to.width);
  c.x_column = pass.pairs();
  c.x_row = cells.columns * pass.pairs();
  c.x_run = op_.dilation.height * c.x_row;
  c.y_channel = to.plane() * kTile;
  c.y_row = to.width * kTile;
  return pass;
}

std::int64_t MatrixTile::Pass::weights() const {
  return chunks() * correlation.runs * pieces() * correlation.chunk * kCell / 2;
}

std::int64_t MatrixTile::Pass::place(std::int64_t to) const {
  const std::int64_t chunk = correlation.chunk;
  return to / chunk * correlation.runs * pieces() * chunk * kCell + to % chunk * kCell;
}

std::int64_t MatrixTile::Pass::place(std::int64_t from, std::int64_t row, std::int64_t column) const {
  const bool fold = correlation.runs == 1 && cells.folded > 1;
  const std::int64_t source = fold ? row : from, run = fold ? 0 : row;
  const std::int64_t cell = column * pairs() + source / 2;
  return (run * pieces() + cell / kRows) * correlation.chunk * kCell + cell % kRows * 2 + source % 2;
}

// The weights of one output channel, rounded.
const std::uint16_t* MatrixTile::rounded(const float* w, std::int64_t o) const {
  const auto count = static_cast<std::int64_t>(forward_from_.size());
  std::uint16_t* const row = room_for(Scratch::Cells, round_up(count, 2));
  kernels_->round(w + o * count, count, row);
  return row;
}

void MatrixTile::pack_forward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  for (std::int64_t o = o0; o < o1; ++o) {
    const std::uint16_t* const row = rounded(w, o);
    std::uint16_t* const to = halves(packed) + forward_.place(o);
    for (std::size_t i = 0; i < forward_from_.size(); ++i) to[forward_from_[i]] = row[i];
  }
}

void MatrixTile::pack_backward(const float* w, std::int64_t o0, std::int64_t o1, float* packed) const {
  const std::int64_t height = op_.kernel.height, width = op_.kernel.width, taps = height * width;
  for (std::int64_t o = o0; o < o1; ++o) {
    const std::uint16_t* const row = rounded(w, o);
    for (std::int64_t tap = 0; tap < taps; ++tap) {  // the kernel is turned
      std::uint16_t* const to = halves(packed) + backward_.place(o, height - 1 - tap / width, width - 1 - tap % width);
      for (std::size_t c = 0; c < backward_to_.size(); ++c)
        to[backward_to_[c]] = row[static_cast<std::int64_t>(c) * taps + tap];
    }
  }
}

void MatrixTile::run(const Pass& pass, const float* x, const float* packed, const float* bias, Activation after,
                     float* y) const {
  const CellPlan& cells = pass.cells;
  std::uint16_t* const room = room_for(Scratch::Cells, std::int64_t{cells.rows} * cells.columns * pass.pairs() * kCell);
  kernels_->to_cells(cells, x, room);
  CellCorrelation c = pass.correlation;
  c.after = after;
  kernels_->correlate(c, room, halves(packed), bias, y);
}

void MatrixTile::forward(const float* x, const float* packed, const float* bias, Activation after, float* y) const {
  run(forward_, x, packed, bias, after, y);
}

void MatrixTile::input_gradient(const float* dy, const float* packed, float* dx) const {
  run(backward_, dy, packed, nullptr, Activation::None, dx);
}

void MatrixTile::weight_gradient(int images, const float* dy, const float* x, float* dw, float* db) const {
  CellWeightGradient g = gradient_;
  g.images = images;
  std::uint16_t* const room = room_for(Scratch::Cells, kernels_->weight_gradient_room(g));
  kernels_->weight_gradient(g, dy, x, room, dw, db);
}

}  // namespace convlet
