// Where a training step of LeNet spends its time: every kernel on one tile of 16 images, on one thread.
//
// Prints for each pass its clocks (thread CPU time at its best of many, so that other work on the machine hardly
// shows), its multiply-adds, and the share of the peak of multiply-adds in registers, which is measured in turn.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "convlet/plan.h"
#include "isa/dispatch.h"
#include "ops/buffer.h"
#include "ops/conv2d_tile.h"
#include "ops/linear_tile.h"
#include "ops/pool2d_tile.h"

namespace {

using namespace convlet;

double now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds of one call: the best of `turns`, each of as many calls as take about 0.2 ms.
double best_of(const std::function<void()>& run, int turns = 60) {
  run();
  double begin = now();
  run();
  const int calls = std::max(1, static_cast<int>(2e-4 / std::max(1e-8, now() - begin)));
  double best = 1e9;
  for (int turn = 0; turn < turns; ++turn) {
    begin = now();
    for (int call = 0; call < calls; ++call) run();
    best = std::min(best, (now() - begin) / calls);
  }
  return best;
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

double total = 0, total_work = 0, peak_rate = 0;

void row(const char* name, double multiply_adds, const std::function<void()>& run) {
  const double seconds = best_of(run);
  total += seconds;
  total_work += multiply_adds;
  std::printf("%-34s %9.2f us %12.0f %8.1f %%\n", name, 1e6 * seconds, multiply_adds,
              100 * multiply_adds / seconds / peak_rate);
}

}  // namespace

int main(int argc, char** argv) {
  const Kernels& k = argc > 1 ? select_kernels(argv[1]) : kernels();
  const double rounds = 20000;
  peak_rate = rounds * k.accumulators * k.lanes / best_of([&] { k.peak(20000); });
  std::printf("%s: peak %.1f GFLOP/s, one thread, one tile of 16 images\n", k.name, 2e-9 * peak_rate);
  Memory memory;
  const Conv2d conv[2] = {{{1, 28, 28}, 6, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 1},
                          {{6, 14, 14}, 16, {5, 5}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1}};
  std::vector<std::uint8_t> pixels(16 * 784, 100);
  const std::uint8_t* images[16];
  for (int n = 0; n < 16; ++n) images[n] = pixels.data() + 784 * n;
  float* input = memory(784 * 16);
  row("pack 16 images of bytes", 0, [&] { k.pack_bytes(images, 784, input); });
  for (int i = 0; i < 2; ++i) {
    const Conv2d& op = conv[i];
    const Conv2dTile tile(op, k);
    const Image out = op.out();
    float *x = memory(op.in.size() * 16), *y = memory(out.size() * 16), *dy = memory(out.size() * 16);
    float *dx = memory(op.in.size() * 16), *w = memory(op.weights()),
          *packed = memory(tile.forward_weights() + tile.backward_weights());
    float *sums = memory(op.gradient_sums() * 16), *bias = memory(16), *dw = memory(op.weights()), *db = memory(16);
    const double work = 16.0 * static_cast<double>(op.multiply_adds());
    const std::string name = "conv" + std::to_string(i + 1) + " ";
    std::printf("block %d\n", tile.forward_block());
    row((name + "forward, no activation").c_str(), work, [&] { tile.forward(x, packed, bias, Activation::None, y); });
    total -= best_of([&] { tile.forward(x, packed, bias, Activation::None, y); });
    total_work -= work;
    row((name + "forward, sigmoid").c_str(), work, [&] { tile.forward(x, packed, bias, Activation::Sigmoid, y); });
    Pool2d pool{out, {2, 2}, {2, 2}, {1, 1}, {}, false, AverageDivisor::Window, 0};
    const Pooling pooling = pooling_of(pool);
    float *py = memory(out.size() * 4), *pdy = memory(out.size() * 4);
    row((name + "pool forward").c_str(), 0, [&] { k.average_pool(pooling, y, py); });
    row((name + "pool and sigmoid backward").c_str(), 0,
        [&] { k.average_pool_backward(pooling, Activation::Sigmoid, pdy, y, dy); });
    row((name + "dw and db").c_str(), work, [&] { tile.weight_gradient(dy, x, sums, dw, db); });
    if (i) {
      tile.pack_backward(w, 0, op.out_channels, packed);
      row((name + "dx").c_str(), work, [&] { tile.input_gradient(dy, packed, dx); });
    }
  }
  const Linear dense[3] = {{400, 120}, {120, 84}, {84, 10}};
  for (const Linear& op : dense) {
    const LinearTile tile(op, k);
    float *x = memory(op.inputs * 16), *y = memory(op.outputs * 16), *dx = memory(op.inputs * 16);
    float *w = memory(op.weights()), *bias = memory(op.outputs), *packed = memory(tile.forward_weights());
    const double work = 16.0 * static_cast<double>(op.weights());
    const std::string name = "dense " + std::to_string(op.inputs) + "-" + std::to_string(op.outputs) + " ";
    std::printf("block %d\n", tile.forward_block());
    const Activation after = op.outputs == 10 ? Activation::None : Activation::Sigmoid;
    row((name + "forward").c_str(), work, [&] { tile.forward(x, packed, bias, after, y); });
    row((name + "dx").c_str(), work, [&] { tile.input_gradient(y, w, dx); });
    const std::int64_t width = round_up(op.inputs, 16);
    float *rows = memory(256 * width), *dy = memory(256 * op.outputs), *dw = memory(op.weights());
    float* to[16];
    for (int n = 0; n < 16; ++n) to[n] = rows + n * width;
    row((name + "unpack").c_str(), 0, [&] { k.unpack(x, op.inputs, to); });
    const double seconds = best_of(
        [&] { k.outer_product(dy, op.outputs * 16, rows, width, 256, op.outputs, op.inputs, Store::Overwrite, dw); });
    std::printf("%-34s %9.2f us %12.0f %8.1f %% (1/16 of a step's)\n", (name + "dw").c_str(), 1e6 * seconds / 16, work,
                100 * work / (seconds / 16) / peak_rate);
    total += seconds / 16;
    total_work += work;
  }
  std::printf("%-34s %9.2f us %12.0f %8.1f %%\n", "total", 1e6 * total, total_work,
              100 * total_work / total / peak_rate);
}
