// The fused kernels of the LeNet family, through the engine of the device: outputs with the bits of the CPU's engine,
// gradients within a share of the largest of their tensor; and the layouts of their shared memory.
#include "cuda/lenet.h"

#include <algorithm>

#include "compare.h"
#include "cuda/engine.h"
#include "engine/engine.h"
#include "isa/dispatch.h"

namespace check {
namespace {

using namespace convlet;

constexpr double kGradient = 1e-5;  // of the largest value of a tensor

Layer plain(LayerKind kind) {
  Layer layer;
  layer.kind = kind;
  return layer;
}

Layer conv(std::int64_t in, std::int64_t out, std::int64_t kernel, Padding padding) {
  Layer layer = plain(LayerKind::Conv2d);
  layer.conv.in.channels = layer.expected_channels = in;
  layer.conv.out_channels = out;
  layer.conv.kernel = {kernel, kernel};
  layer.conv.padding = padding;
  layer.bias = true;
  return layer;
}

Layer pool(LayerKind kind) {
  Layer layer = plain(kind);
  layer.pool.kernel = layer.pool.stride = {2, 2};
  return layer;
}

Layer dense(std::int64_t in, std::int64_t out) {
  Layer layer = plain(LayerKind::Linear);
  layer.linear = {in, out};
  layer.bias = true;
  return layer;
}

struct Member {  // of the family
  std::string name;
  Image image;
  std::int64_t kernel;
  Padding padding;
  std::int64_t first, second;  // channels
  LayerKind activation, pooling;
  std::vector<std::int64_t> hidden;
};

Spec spec_of(const Member& m) {
  const auto rounds = [&](std::int64_t n, std::int64_t pad) {
    return (((n + pad - m.kernel + 1) / 2) - m.kernel + 1) / 2;
  };
  std::int64_t features = m.second * rounds(m.image.height, m.padding.top + m.padding.bottom) *
                          rounds(m.image.width, m.padding.left + m.padding.right);
  Spec spec;
  spec.input = {m.image, false};
  spec.layers = {conv(m.image.channels, m.first, m.kernel, m.padding),
                 plain(m.activation),
                 pool(m.pooling),
                 conv(m.first, m.second, m.kernel, {}),
                 plain(m.activation),
                 pool(m.pooling),
                 plain(LayerKind::Flatten)};
  for (const std::int64_t outputs : m.hidden) {
    spec.layers.push_back(dense(features, outputs));
    spec.layers.push_back(plain(m.activation));
    features = outputs;
  }
  spec.layers.push_back(dense(features, 10));
  return spec;
}

void compare(const Member& member, std::int64_t images) {
  const Plan plan = make_plan(spec_of(member));
  Floats parameters(static_cast<std::size_t>(plan.parameters));
  for (float& value : parameters) value = 0.2f * (static_cast<float>(random_bits() % 2001) / 1000.0f - 1.0f);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(images * plan.input().image.size()));
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random_bits());
  Ints labels(static_cast<std::size_t>(images));
  for (std::int64_t& label : labels) label = static_cast<std::int64_t>(random_bits() % 10);
  const Images set{pixels.data(), true, images, plan.input().image.size()};
  CrossEntropyLoss loss;
  loss.classes = 10;

  Engine cpu(plan, kernels(), 1);
  cuda::Engine gpu(plan, cuda::Fusion::Allowed);
  if (gpu.passes() != "fused LeNet") fail(member.name, "runs " + gpu.passes());
  Floats expected(static_cast<std::size_t>(images * 10)), got = expected;
  cpu.forward(parameters.data(), set, expected.data(), nullptr);
  gpu.forward(parameters.data(), set, got.data(), nullptr);
  expect_bits(member.name + ", outputs", got, expected);

  Floats wanted(parameters.size()), found = wanted;
  Totals cpu_totals, gpu_totals;
  cpu.gradients(parameters.data(), set, labels.data(), loss, {}, wanted.data(), cpu_totals, nullptr);
  const cuda::DataSet data(set, labels.data());
  gpu.gradients(parameters.data(), data, loss, {}, found.data(), gpu_totals, nullptr);
  for (const Stage& stage : plan.stages) {
    const auto compare_range = [&](std::int64_t begin, std::int64_t count, const char* what) {
      const auto from = static_cast<std::size_t>(begin), to = static_cast<std::size_t>(begin + count);
      float largest = 0.0f;
      for (std::size_t i = from; i < to; ++i) largest = std::max(largest, std::fabs(wanted[i]));
      const auto piece = [&](const Floats& all) { return Floats(all.begin() + begin, all.begin() + begin + count); };
      expect_close(member.name + ", " + name_of(stage.layer.kind) + what, piece(found), piece(wanted),
                   Floats(to - from, largest), kGradient);
    };
    compare_range(stage.parameter, stage.weights, " weight");
    compare_range(stage.bias(), stage.biases, " bias");
  }
  if (std::fabs(cpu_totals.loss_sum - gpu_totals.loss_sum) > 1e-6 * cpu_totals.loss_sum) fail(member.name, "the loss");
}

// Places in shared memory that are in use at one time do not overlap, and lie within the whole.
void compare_layouts() {
  using namespace cuda::lenet;
  for (const Member& member : std::vector<Member>{
           {"layout", {1, 28, 28}, 5, {2, 2, 2, 2}, 6, 16, LayerKind::Sigmoid, LayerKind::AvgPool2d, {120, 84}},
           {"layout of thirds", {3, 19, 24}, 3, {1, 0, 2, 1}, 5, 7, LayerKind::Relu, LayerKind::MaxPool2d, {20}}}) {
    const auto network = match(make_plan(spec_of(member)), 1 << 20);
    if (!network) fail(member.name, "is not of the family");
    const Features& f = network->features;
    const BackwardLayout b = backward_layout(f);
    const ForwardLayout a = forward_layout(f);
    const int map = f.first.channels * f.first.positions();
    const auto ordered = [&](const char* what, std::vector<std::pair<int, int>> places, int size) {
      std::sort(places.begin(), places.end());
      int end = 0;
      for (const auto& [at, floats] : places) {
        if (at < end) fail(member.name, std::string(what) + " overlap");
        end = at + floats;
      }
      if (end > size) fail(member.name, std::string(what) + " reach beyond the end");
    };
    const int weights = f.second.channels * f.taps() * round_to(f.first.channels, kStripChannels);
    const int slot = static_cast<int>(f.slot()), partial = b.groups * static_cast<int>(f.weights(f.first));
    ordered("forward", {{a.image.at, a.image.size()}, {a.middle.at, a.middle.size()}}, a.size);
    ordered("second round",
            {{b.weights, weights},
             {b.second_slope.at, b.second_slope.size()},
             {b.middle.at, b.middle.size()},
             {b.between, b.parts * map},
             {b.sums, slot}},
            b.size);
    ordered("unpooling", {{b.first_slope.at, b.first_slope.size()}, {b.between, map}, {b.image.at, b.image.size()}},
            b.size);
    ordered("first round",
            {{b.weights, weights},
             {b.first_slope.at, b.first_slope.size()},
             {b.partial, partial},
             {b.image.at, b.image.size()},
             {b.sums, slot}},
            b.size);
    if (match(make_plan(spec_of(member)), 4 * b.size - 1)) fail(member.name, "fits into less than it needs");
  }
}

}  // namespace

void lenet() {
  compare_layouts();
  compare({"LeNet", {1, 28, 28}, 5, {2, 2, 2, 2}, 6, 16, LayerKind::Sigmoid, LayerKind::AvgPool2d, {120, 84}}, 5);
  compare({"odd sizes", {2, 21, 27}, 5, {1, 2, 0, 2}, 3, 6, LayerKind::Tanh, LayerKind::AvgPool2d, {31}}, 3);
  // More images than blocks, so that blocks carry several.
  compare({"many images", {1, 10, 10}, 3, {}, 2, 3, LayerKind::Tanh, LayerKind::AvgPool2d, {4}}, 520);
  compare({"maxima", {3, 19, 16}, 3, {1, 0, 2, 1}, 5, 7, LayerKind::Relu, LayerKind::MaxPool2d, {20, 12, 9}}, 6);
}

}  // namespace check
