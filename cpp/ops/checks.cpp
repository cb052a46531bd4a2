// The refusals that depend on sizes alone.
#include <algorithm>
#include <string>

#include "convlet/conv2d.h"
#include "convlet/cross_entropy.h"
#include "convlet/linear.h"
#include "convlet/pool2d.h"
#include "convlet/tile.h"

namespace convlet {
namespace {

// Indices of tiles, taps and pixels of one plane are kept in 32 bits.
constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;

std::string text(std::int64_t a, std::int64_t b) { return "(" + std::to_string(a) + ", " + std::to_string(b) + ")"; }
std::string text(const Pair& p) { return text(p.height, p.width); }

[[noreturn]] void refuse(const char* op, const std::string& expected, const std::string& got) {
  throw std::invalid_argument(std::string(op) + ": expected " + expected + ", got " + got);
}

void check_pair(const char* op, const char* what, const Pair& p) {
  if (p.height < 1 || p.width < 1 || p.height > kLargest || p.width > kLargest) {
    refuse(op, std::string(what) + " of at least 1 and below 2^31", text(p));
  }
}

struct Window {
  const char* op;
  Image in;
  Pair kernel, stride, dilation;
  Padding padding;
};

void check_window(const Window& w) {
  check_pair(w.op, "kernel_size", w.kernel);
  check_pair(w.op, "stride", w.stride);
  check_pair(w.op, "dilation", w.dilation);
  const Padding& p = w.padding;
  if (std::min({p.top, p.bottom, p.left, p.right}) < 0 || std::max({p.top, p.bottom, p.left, p.right}) > kLargest) {
    refuse(w.op, "padding of at least 0 and below 2^31",
           "(" + std::to_string(p.top) + ", " + std::to_string(p.bottom) + ", " + std::to_string(p.left) + ", " +
               std::to_string(p.right) + ")");
  }
  if (w.in.height > kLargest || w.in.width > kLargest || w.in.channels > kLargest) {
    refuse(w.op, "sizes below 2^31", text(w.in.height, w.in.width));
  }
  const std::int64_t height = w.in.height + p.top + p.bottom, width = w.in.width + p.left + p.right;
  // kernel and dilation are below 2^31, so the extents below cannot overflow.
  const std::int64_t down = extent(w.kernel.height, w.dilation.height),
                     right = extent(w.kernel.width, w.dilation.width);
  if (down > height || right > width) {
    refuse(
        w.op, "a kernel no larger than the padded input " + text(height, width),
        "kernel_size " + text(w.kernel) + " with dilation " + text(w.dilation) + ", which spans " + text(down, right));
  }
}

// Every window along one axis must hold a pixel.
bool window_without_pixel(std::int64_t n, std::int64_t before, std::int64_t kernel, std::int64_t dilation,
                          std::int64_t stride, std::int64_t outputs) {
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t origin = o * stride - before;
    const std::int64_t first = origin >= 0 ? 0 : ceil_div(-origin, dilation);
    if (first >= kernel || origin + first * dilation >= n) return true;
  }
  return false;
}

}  // namespace

void check(const Conv2d& op) {
  if (op.groups < 1) refuse("conv2d", "groups of at least 1", std::to_string(op.groups));
  if (op.in.channels < 1) refuse("conv2d", "at least one input channel", std::to_string(op.in.channels));
  if (op.out_channels < 1) refuse("conv2d", "at least one output channel", std::to_string(op.out_channels));
  if (op.in.channels % op.groups != 0 || op.out_channels % op.groups != 0) {
    refuse("conv2d", "groups that divide the input and output channels",
           "groups " + std::to_string(op.groups) + " for " + std::to_string(op.in.channels) + " input and " +
               std::to_string(op.out_channels) + " output channels");
  }
  check_window({"conv2d", op.in, op.kernel, op.stride, op.dilation, op.padding});
  const Image out = op.out();
  product("conv2d", product("conv2d", out.channels, out.height), product("conv2d", out.width, kTile));
  product("conv2d", product("conv2d", op.out_channels, op.channels_of_group()),
          product("conv2d", op.kernel.height, op.kernel.width));
}

void check(const Pool2d& op, const char* name) {
  if (op.in.channels < 1) refuse(name, "at least one channel", std::to_string(op.in.channels));
  check_window({name, op.in, op.kernel, op.stride, op.dilation, op.padding});
  if (op.divisor < 0) refuse(name, "divisor_override of at least 1", std::to_string(op.divisor));
  const Image out = op.out();
  if (window_without_pixel(op.in.height, op.padding.top, op.kernel.height, op.dilation.height, op.stride.height,
                           out.height) ||
      window_without_pixel(op.in.width, op.padding.left, op.kernel.width, op.dilation.width, op.stride.width,
                           out.width)) {
    refuse(name, "every window to hold at least one pixel of the input " + text(op.in.height, op.in.width),
           "a window of padding only (kernel_size " + text(op.kernel) + ", padding top " +
               std::to_string(op.padding.top) + ", left " + std::to_string(op.padding.left) + ")");
  }
}

void check(const Linear& op) {
  if (op.inputs < 1) refuse("linear", "in_features of at least 1", std::to_string(op.inputs));
  if (op.outputs < 1) refuse("linear", "out_features of at least 1", std::to_string(op.outputs));
  if (op.inputs > kLargest || op.outputs > kLargest) refuse("linear", "sizes below 2^31", text(op.outputs, op.inputs));
  product("linear", op.inputs, op.outputs);
}

void check_labels(const CrossEntropyLoss& loss, const std::int64_t* labels, std::int64_t count) {
  for (std::int64_t n = 0; n < count; ++n) {
    if (!loss.counts(labels[n]) || (labels[n] >= 0 && labels[n] < loss.classes)) continue;
    refuse("cross_entropy", "labels in 0.." + std::to_string(loss.classes - 1),
           std::to_string(labels[n]) + " at position " + std::to_string(n));
  }
}

}  // namespace convlet
