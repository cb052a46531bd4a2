// Where a training step of LeNet spends its time: every kernel on one tile of 16 images, on one thread.
//
// Prints for each pass its time (thread CPU time, the best of many turns), its multiply-adds, and the share of the peak
// of multiply-adds in registers, measured turn by turn beside it.
//
//   cmake -S . -B build/lib -DCONVLET_PYTHON=OFF && cmake --build build/lib
//   c++ -std=c++17 -O2 -I. -Icpp -Icpp/include benchmarks/lab/lenet_tile.cpp build/lib/libconvlet.a -pthread -o
//   lenet_tile
//   ./lenet_tile [avx512|avx2|baseline]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "isa/dispatch.h"
#include "ops/buffer.h"
#include "ops/conv2d_tile.h"
#include "ops/linear_tile.h"
#include "ops/pool2d_tile.h"

namespace {

using namespace convlet;

const Kernels* k = nullptr;
double total_seconds = 0, total_at_peak = 0;

double seconds_of(const std::function<void()>& work, int calls = 1) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const double begin = now();
  for (int call = 0; call < calls; ++call) work();
  return (now() - begin) / calls;
}

// One line of the table. A tile's share of the call is `part`; with `counts` it is added to the total.
void row(const std::string& name, double multiply_adds, const std::function<void()>& work, double part = 1,
         bool counts = true) {
  constexpr int kTurns = 60, kRounds = 10000;
  work();
  const int calls = std::max(1, static_cast<int>(2e-4 / std::max(1e-8, seconds_of(work))));
  double best = 1e9;
  std::vector<double> shares;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double of_one = seconds_of([] { k->peak(kRounds); }) / kRounds / (k->accumulators * k->lanes);
    const double seconds = seconds_of(work, calls);
    best = std::min(best, seconds);
    shares.push_back(multiply_adds * of_one / seconds);
  }
  std::sort(shares.begin(), shares.end());
  const double share = shares[kTurns / 2];
  std::printf("%-34s %9.2f us %12.0f %8.1f %%\n", name.c_str(), 1e6 * best * part, multiply_adds * part, 100 * share);
  if (!counts) return;
  total_seconds += part * best;
  total_at_peak += part * best * share;
}

struct Memory {
  std::vector<Buffer> buffers;
  float* operator()(std::int64_t floats) {
    buffers.emplace_back(static_cast<std::size_t>(floats));
    for (std::int64_t i = 0; i < floats; ++i)
      buffers.back().data()[i] = static_cast<float>(i * 7919 % 1000 - 500) / 2e3f;
    return buffers.back().data();
  }
};

void convolution(const std::string& name, const Conv2d& op, Memory& memory) {
  const Conv2dTile tile(op, *k);
  const Image out = op.out();
  const double work = static_cast<double>(kTile * op.multiply_adds());
  float *x = memory(op.in.size() * kTile), *y = memory(out.size() * kTile), *dy = memory(out.size() * kTile);
  float *dx = memory(op.in.size() * kTile), *bias = memory(op.out_channels), *dw = memory(op.weights());
  float *packed = memory(tile.forward_weights()), *back = memory(tile.backward_weights());
  float *room = memory(op.gradient_room() * kTile), *db = memory(op.out_channels);
  const Pooling pooling = pooling_of({out, {2, 2}, {2, 2}, {1, 1}, {}, false, AverageDivisor::Window, 0});
  float *pooled = memory(out.size() * kTile / 4), *slope = memory(out.size() * kTile / 4);
  const auto forward = [&](Activation after) { tile.forward(x, packed, bias, after, y); };
  row(name + " forward by itself", work, [&] { forward(Activation::None); }, 1, false);
  row(name + " forward, sigmoid", work, [&] { forward(Activation::Sigmoid); });
  row(name + " pooling", 0, [&] { k->average_pool(pooling, y, pooled); });
  row(name + " pooling and sigmoid, dx", 0,
      [&] { k->average_pool_backward(pooling, Activation::Sigmoid, slope, y, dy); });
  row(name + " dw, db", work, [&] { tile.weight_gradient(kTile, dy, x, room, dw, db); });
  if (op.in.channels > 1) row(name + " dx", work, [&] { tile.input_gradient(dy, back, dx); });
}

void dense(const std::string& name, const Linear& op, Memory& memory) {
  const LinearTile tile(op, *k);
  const double work = static_cast<double>(kTile * op.weights());
  float *x = memory(op.inputs * kTile), *y = memory(op.outputs * kTile), *dx = memory(op.inputs * kTile);
  float *w = memory(op.weights()), *bias = memory(op.outputs), *packed = memory(tile.forward_weights());
  const Activation after = op.outputs == 10 ? Activation::None : Activation::Sigmoid;
  row(name + " forward", work, [&] { tile.forward(x, packed, bias, after, y); });
  row(name + " dx", work, [&] { tile.input_gradient(y, w, dx); });
  const std::int64_t images = 256, width = round_up(op.inputs, kTile);
  float *rows = memory(images * width), *dy = memory(images * op.outputs), *dw = memory(op.weights());
  float* lanes[kTile];
  for (int n = 0; n < kTile; ++n) lanes[n] = rows + n * width;
  row(name + " inputs by image", 0, [&] { k->unpack(x, op.inputs, lanes); });
  const auto product = [&] {
    k->outer_product(dy, op.outputs * kTile, rows, width, images, op.outputs, op.inputs, Store::Overwrite, dw);
  };
  row(name + " dw, of 16 tiles", 16 * work, product, 1.0 / 16);
}

}  // namespace

int main(int argc, char** argv) {
  k = argc > 1 ? &select_kernels(argv[1]) : &kernels();
  std::printf("%s\n", k->name);
  Memory memory;
  std::vector<std::uint8_t> pixels(16 * 784, 100);
  const std::uint8_t* images[kTile];
  for (int n = 0; n < kTile; ++n) images[n] = pixels.data() + 784 * n;
  float* input = memory(784 * kTile);
  row("images of bytes to a tile", 0, [&] { k->pack_bytes(images, 784, input); });
  convolution("conv 1-6", {{1, 28, 28}, 6, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 1}, memory);
  convolution("conv 6-16", {{6, 14, 14}, 16, {5, 5}, {1, 1}, {1, 1}, {}, 1}, memory);
  dense("dense 400-120", {400, 120}, memory);
  dense("dense 120-84", {120, 84}, memory);
  dense("dense 84-10", {84, 10}, memory);
  std::printf("%-34s %9.2f us %12.0f %8.1f %%\n", "total", 1e6 * total_seconds, 16 * 1131960.0,
              100 * total_at_peak / total_seconds);
}
