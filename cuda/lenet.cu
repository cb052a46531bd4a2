#include <algorithm>

#include "cuda/lenet.h"

namespace convlet::cuda::lenet {
namespace {

// Reads a plan from its first stage on.
class Reader {
 public:
  explicit Reader(const Plan& plan) : plan_(plan) {}

  const Stage* next(LayerKind kind) {
    skip_identities();
    if (at_ >= plan_.stages.size() || plan_.stages[at_].layer.kind != kind) return nullptr;
    return &plan_.stages[at_++];
  }
  Activation activation() {
    skip_identities();
    if (at_ >= plan_.stages.size()) return Activation::None;
    const Activation kind = activation_of(plan_.stages[at_].layer.kind);
    if (kind != Activation::None) ++at_;
    return kind;
  }
  bool ended() {
    skip_identities();
    return at_ == plan_.stages.size();
  }

 private:
  void skip_identities() {
    while (at_ < plan_.stages.size() && plan_.stages[at_].layer.kind == LayerKind::Identity) ++at_;
  }

  const Plan& plan_;
  std::size_t at_ = 0;
};

bool is_plain(const Conv2d& c) {
  return c.groups == 1 && c.stride.height == 1 && c.stride.width == 1 && c.dilation.height == 1 &&
         c.dilation.width == 1 && c.kernel.height == c.kernel.width && (c.kernel.height == 3 || c.kernel.height == 5) &&
         std::max({c.padding.top, c.padding.bottom, c.padding.left, c.padding.right}) < c.kernel.height;
}

bool halves(const Pool2d& p) {
  const Padding& pad = p.padding;
  return p.kernel.height == 2 && p.kernel.width == 2 && p.stride.height == 2 && p.stride.width == 2 &&
         p.dilation.height == 1 && p.dilation.width == 1 && pad.top + pad.bottom + pad.left + pad.right == 0 &&
         p.divisor == 0 && p.out().height * 2 <= p.in.height && p.out().width * 2 <= p.in.width;
}

std::optional<Round> read_round(Reader& reader, int& kernel) {
  const Stage* conv = reader.next(LayerKind::Conv2d);
  if (!conv || !conv->biases || !is_plain(conv->layer.conv)) return std::nullopt;
  const Activation activation = reader.activation();
  const Stage* pool = reader.next(LayerKind::AvgPool2d);
  const Pooling pooling = pool ? Pooling::Average : Pooling::Maximum;
  if (!pool) pool = reader.next(LayerKind::MaxPool2d);
  if (activation == Activation::None || !pool || !halves(pool->layer.pool)) return std::nullopt;
  const Conv2d& c = conv->layer.conv;
  if (kernel && c.kernel.height != kernel) return std::nullopt;
  kernel = static_cast<int>(c.kernel.height);
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  const Image& out = pool->out.image;
  return Round{narrow(c.in.channels),
               narrow(c.in.height),
               narrow(c.in.width),
               narrow(c.padding.top),
               narrow(c.padding.left),
               narrow(out.channels),
               narrow(out.height),
               narrow(out.width),
               activation,
               pooling,
               conv->parameter,
               conv->bias()};
}

std::optional<Dense> read_dense(Reader& reader) {
  const Stage* stage = reader.next(LayerKind::Linear);
  if (!stage) return std::nullopt;
  const Linear& op = stage->layer.linear;
  return Dense{static_cast<int>(op.inputs), static_cast<int>(op.outputs), reader.activation(), stage->parameter,
               stage->biases ? stage->bias() : -1};
}

std::optional<Network> read(const Plan& plan) {
  constexpr std::int64_t kLargest = 1 << 12;  // of any size: the blocks below would not fit anyway
  for (const Stage& stage : plan.stages) {
    const Image &in = stage.in.image, &out = stage.out.image;
    if (std::max({in.channels, in.height, in.width, out.channels, out.height, out.width}) > kLargest) {
      return std::nullopt;
    }
  }
  Reader reader(plan);
  Network network{};
  const auto first = read_round(reader, network.features.kernel);
  if (!first) return std::nullopt;
  const auto second = read_round(reader, network.features.kernel);
  if (!second || !reader.next(LayerKind::Flatten)) return std::nullopt;
  network.features.first = *first;
  network.features.second = *second;
  const auto dense = read_dense(reader);
  if (!dense || dense->activation == Activation::None) return std::nullopt;
  network.first = *dense;
  while (const auto layer = read_dense(reader)) {
    if (network.tail.layers == kMostTail) return std::nullopt;
    network.tail.dense[network.tail.layers++] = *layer;
  }
  if (!reader.ended() || network.tail.layers == 0) return std::nullopt;
  const Dense& last = network.tail.dense[network.tail.layers - 1];
  if (last.activation != Activation::None || last.outputs > kMostClasses) return std::nullopt;
  return network;
}

}  // namespace

namespace {

Planes planes(int at, int channels, int rows, int columns) {
  const int row = odd(columns);
  return {at, channels, rows, row, rows * row};
}

// The input of a round's convolution, as far as the pooling reads it when a thread computes so many columns at a time.
Planes input_planes(int at, const Round& r, int kernel, int columns_at_a_time) {
  return planes(at, r.channels_in, r.conv_rows() + kernel - 1,
                round_to(r.conv_columns(), columns_at_a_time) + kernel - 1);
}

}  // namespace

ForwardLayout forward_layout(const Features& f) {
  const Round &a = f.first, &b = f.second;
  ForwardLayout l{};
  l.second_weights = 0;  // first, for its loads of 16 bytes
  l.first_weights = b.channels_in * f.taps() * round_to(b.channels, kSecondChannels);
  const int weights = l.first_weights + a.channels_in * f.taps() * round_to(a.channels, kFirstChannels);
  l.image = input_planes(weights, a, f.kernel, 2 * kFirstWindows);
  l.middle = input_planes(l.image.at + l.image.size(), b, f.kernel, 2 * kSecondWindows);
  l.size = l.middle.at + l.middle.size();
  return l;
}

BackwardLayout backward_layout(const Features& f) {
  const Round &a = f.first, &b = f.second;
  const int border = f.kernel - 1, map = a.channels * a.positions();
  const auto first_weights = static_cast<int>(f.weights(a));
  BackwardLayout l{};
  l.weights = 0;  // first, for its loads of 8 bytes
  const int slope = b.channels * f.taps() * round_to(a.channels, kStripChannels);
  l.second_slope =
      planes(slope, round_to(b.channels, kSecondOutputs), b.conv_rows(), b.conv_columns() + 2 * border + kStrip);
  l.first_slope = planes(slope, round_to(a.channels, kFirstOutputs), a.conv_rows(), round_to(a.conv_columns(), kRun));
  l.middle = input_planes(slope + std::max(l.second_slope.size(), l.first_slope.size()), b, f.kernel, kRun);

  const int strips =
      round_to(a.width, kStrip) / kStrip * a.height * round_to(a.channels, kStripChannels) / kStripChannels;
  l.parts = std::clamp(kThreads / strips, 1, std::min(4, b.channels));
  const int runs = round_to(a.channels, kFirstOutputs) / kFirstOutputs * a.channels_in * f.kernel;
  l.groups = std::clamp(kThreads / runs, 1, a.conv_rows());
  l.between = l.partial = l.middle.at + l.middle.size();
  l.image = input_planes(0, a, f.kernel, kRun);
  const int region = std::max(l.parts * map, std::max(map, l.groups * first_weights) + l.image.size());
  l.image.at = l.between + region - l.image.size();
  l.sums = l.between + region;
  l.size = l.sums + static_cast<int>(f.slot());
  return l;
}

std::optional<Network> match(const Plan& plan, std::int64_t shared_bytes) {
  const auto network = read(plan);
  if (!network) return std::nullopt;
  const auto floats =
      std::max({std::int64_t{forward_layout(network->features).size},
                std::int64_t{backward_layout(network->features).size}, std::int64_t{network->tail.shared_floats()}});
  if (floats * 4 > shared_bytes) return std::nullopt;
  return network;
}

}  // namespace convlet::cuda::lenet
