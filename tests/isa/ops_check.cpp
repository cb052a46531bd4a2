// Every op, on every instruction set that this processor runs, against plain loops in double precision; without Python,
// so that an emulated processor can run it too. Small integers must come out exactly, real numbers within a few ulp.
// Exit status 0 if all is right, else 1 and the name of what is not.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/sliding.h"
#include "isa/dispatch.h"
#include "ops/ops.h"
#include "threads/pool.h"

using namespace convlet;

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

void expect_close(const std::string& what, const Floats& got, const Doubles& expected, double relative,
                  double absolute) {
  for (size_t i = 0; i < got.size(); ++i) {
    const double off = std::fabs(got[i] - expected[i]);
    if (off <= relative * std::fabs(expected[i]) + absolute) continue;
    std::printf("%s, %s: element %zu is %.9g, expected %.9g\n", kernels().name, what.c_str(), i,
                static_cast<double>(got[i]), expected[i]);
    std::exit(1);
  }
}

void expect_equal(const std::string& what, const Floats& got, const Doubles& expected) {
  expect_close(what, got, expected, 0.0, 0.0);
}

// Numbers in -reach..reach, the same on every machine; whole ones if `step` is 1.
Floats numbers(int64_t count, float reach, float step = 1.0f) {
  static uint64_t state = 1;
  Floats values(static_cast<size_t>(count));
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto steps = static_cast<int64_t>(2 * reach / step) + 1;
    value = static_cast<float>(static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(steps))) * step - reach;
  }
  return values;
}

// Calls visit(n, o, y index, input channel, w index, x index) for every multiply-add of a convolution.
template <class F>
void walk_conv2d(const Conv2d& op, int64_t images, F&& visit) {
  const Image in = op.in, out = op.out();
  const int64_t per_group = op.channels_of_group(), outputs = op.out_channels / op.groups;
  int64_t y = 0;
  for (int64_t n = 0; n < images; ++n)
    for (int64_t o = 0; o < out.channels; ++o)
      for (int64_t oh = 0; oh < out.height; ++oh)
        for (int64_t ow = 0; ow < out.width; ++ow, ++y)
          for (int64_t c = 0; c < per_group; ++c)
            for (int64_t kh = 0; kh < op.kernel.height; ++kh)
              for (int64_t kw = 0; kw < op.kernel.width; ++kw) {
                const int64_t ih = oh * op.stride.height - op.padding.top + kh * op.dilation.height;
                const int64_t iw = ow * op.stride.width - op.padding.left + kw * op.dilation.width;
                if (ih < 0 || iw < 0 || ih >= in.height || iw >= in.width) continue;
                const int64_t w = ((o * per_group + c) * op.kernel.height + kh) * op.kernel.width + kw;
                const int64_t x = ((n * in.channels + o / outputs * per_group + c) * in.height + ih) * in.width + iw;
                visit(y, w, x);
              }
}

void check_conv2d(const Conv2d& op, int64_t images) {
  const int64_t plane = op.out().plane(), outs = images * op.out().size();
  const Floats x = numbers(images * op.in.size(), 3), w = numbers(op.weights(), 3), b = numbers(op.out_channels, 3);
  const Floats dy = numbers(outs, 3);
  Floats y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
  ops::conv2d(op, images, x.data(), w.data(), b.data(), y.data());
  ops::conv2d_backward(op, images, dy.data(), x.data(), w.data(), dx.data(), dw.data(), db.data());

  Doubles y_known(y.size()), dx_known(x.size()), dw_known(w.size()), db_known(b.size());
  for (int64_t i = 0; i < outs; ++i) {
    const int64_t o = i / plane % op.out_channels;
    y_known[i] = b[o];
    db_known[o] += dy[i];
  }
  walk_conv2d(op, images, [&](int64_t i, int64_t iw, int64_t ix) {
    y_known[i] += w[iw] * x[ix];
    dx_known[ix] += w[iw] * dy[i];
    dw_known[iw] += x[ix] * dy[i];
  });
  expect_equal("conv2d", y, y_known);
  expect_equal("conv2d_backward dx", dx, dx_known);
  expect_equal("conv2d_backward dw", dw, dw_known);
  expect_equal("conv2d_backward db", db, db_known);
}

void check_pool2d(const Pool2d& op, int64_t images) {
  const Image in = op.in, out = op.out();
  const Floats x = numbers(images * in.size(), 4), dy = numbers(images * out.size(), 4);
  Floats y(dy.size()), dx(x.size());
  std::vector<int64_t> indices(dy.size());
  Doubles max_known(y.size()), max_dx(x.size()), mean_known(y.size()), mean_dx(x.size());
  size_t i = 0;
  for (int64_t plane = 0; plane < images * in.channels; ++plane)
    for (int64_t oh = 0; oh < out.height; ++oh)
      for (int64_t ow = 0; ow < out.width; ++ow, ++i) {
        std::vector<int64_t> window;
        for (int64_t kh = 0; kh < op.kernel.height; ++kh)
          for (int64_t kw = 0; kw < op.kernel.width; ++kw) {
            const int64_t ih = oh * op.stride.height - op.padding.top + kh * op.dilation.height;
            const int64_t iw = ow * op.stride.width - op.padding.left + kw * op.dilation.width;
            if (ih < 0 || iw < 0 || ih >= in.height || iw >= in.width) continue;
            window.push_back(plane * in.plane() + ih * in.width + iw);
          }
        const int64_t best =
            *std::max_element(window.begin(), window.end(), [&](int64_t a, int64_t b) { return x[a] < x[b]; });
        max_known[i] = x[best];
        max_dx[best] += dy[i];
        const auto pixels = static_cast<double>(window.size());
        for (const int64_t pixel : window) {
          mean_known[i] += x[pixel] / pixels;
          mean_dx[pixel] += dy[i] / pixels;
        }
      }
  ops::max_pool2d(op, images, x.data(), y.data(), indices.data());
  expect_equal("max_pool2d", y, max_known);
  for (size_t j = 0; j < y.size(); ++j) {
    const int64_t plane = static_cast<int64_t>(j) / out.plane();
    y[j] = x[plane * in.plane() + indices[j]];
  }
  expect_equal("max_pool2d indices", y, max_known);
  ops::max_pool2d_backward(op, images, dy.data(), x.data(), dx.data());
  expect_equal("max_pool2d_backward", dx, max_dx);
  ops::avg_pool2d(op, images, x.data(), y.data());
  expect_close("avg_pool2d", y, mean_known, 1e-6, 1e-6);
  ops::avg_pool2d_backward(op, images, dy.data(), dx.data());
  expect_close("avg_pool2d_backward", dx, mean_dx, 1e-6, 2e-6);
}

void check_linear(const Linear& op, int64_t images) {
  const Floats x = numbers(images * op.inputs, 3), w = numbers(op.weights(), 3), b = numbers(op.outputs, 3);
  const Floats dy = numbers(images * op.outputs, 3);
  Floats y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
  Doubles y_known(y.size()), dx_known(x.size()), dw_known(w.size()), db_known(b.size());
  for (int64_t n = 0; n < images; ++n)
    for (int64_t o = 0; o < op.outputs; ++o) {
      const int64_t row = n * op.outputs + o;
      y_known[row] = b[o];
      db_known[o] += dy[row];
      for (int64_t i = 0; i < op.inputs; ++i) {
        y_known[row] += w[o * op.inputs + i] * x[n * op.inputs + i];
        dx_known[n * op.inputs + i] += w[o * op.inputs + i] * dy[row];
        dw_known[o * op.inputs + i] += x[n * op.inputs + i] * dy[row];
      }
    }
  ops::linear(op, images, x.data(), w.data(), b.data(), y.data());
  ops::linear_backward(op, images, dy.data(), x.data(), w.data(), dx.data(), dw.data(), db.data());
  expect_equal("linear", y, y_known);
  expect_equal("linear_backward dx", dx, dx_known);
  expect_equal("linear_backward dw", dw, dw_known);
  expect_equal("linear_backward db", db, db_known);
}

void check_activations() {
  const Floats x = numbers(4099, 60, 0.0625f), dy = numbers(4099, 4, 0.0625f);
  Floats y(x.size()), dx(x.size());
  Doubles y_known(x.size()), dx_known(x.size());
  const auto check = [&](const char* name, Activation kind, double (*value)(double), double (*slope)(double)) {
    ops::activation(kind, x.data(), static_cast<int64_t>(x.size()), y.data());
    for (size_t i = 0; i < x.size(); ++i) y_known[i] = value(x[i]);
    expect_close(name, y, y_known, 1e-6, 0.0);
    ops::activation_backward(kind, dy.data(), y.data(), static_cast<int64_t>(x.size()), dx.data());
    for (size_t i = 0; i < x.size(); ++i) dx_known[i] = dy[i] * slope(y[i]);
    expect_close(std::string(name) + "_backward", dx, dx_known, 1e-6, 5e-7);
  };
  check(
      "relu", Activation::Relu, [](double v) { return std::max(v, 0.0); }, [](double v) { return v > 0 ? 1.0 : 0.0; });
  check("tanh", Activation::Tanh, [](double v) { return std::tanh(v); }, [](double v) { return 1 - v * v; });
  check(
      "sigmoid", Activation::Sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); },
      [](double v) { return v * (1 - v); });
}

void check_softmax(int64_t rows, int64_t classes) {
  const Floats x = numbers(rows * classes, 20, 0.0625f);
  std::vector<int64_t> labels(static_cast<size_t>(rows));
  Floats y(x.size()), log_y(x.size()), losses(labels.size()), dx(x.size());
  Doubles y_known(x.size()), log_known(x.size()), losses_known(labels.size()), dx_known(x.size());
  for (int64_t n = 0; n < rows; ++n) {
    const float* row = x.data() + n * classes;
    const double top = *std::max_element(row, row + classes);
    double sum = 0.0;
    for (int64_t k = 0; k < classes; ++k) sum += std::exp(row[k] - top);
    labels[n] = n * 7 % classes;
    losses_known[n] = top + std::log(sum) - row[labels[n]];
    for (int64_t k = 0; k < classes; ++k) {
      y_known[n * classes + k] = std::exp(row[k] - top) / sum;
      log_known[n * classes + k] = row[k] - top - std::log(sum);
      dx_known[n * classes + k] = y_known[n * classes + k] - (k == labels[n] ? 1.0 : 0.0);
    }
  }
  ops::softmax(rows, classes, x.data(), y.data());
  ops::log_softmax(rows, classes, x.data(), log_y.data());
  expect_close("softmax", y, y_known, 2e-6, 1e-7);
  expect_close("log_softmax", log_y, log_known, 1e-6, 1e-6);
  CrossEntropyLoss loss;
  loss.classes = classes;
  loss.reduction = Reduction::None;
  ops::cross_entropy(loss, rows, x.data(), labels.data(), losses.data());
  ops::cross_entropy_backward(loss, rows, x.data(), labels.data(), dx.data());
  expect_close("cross_entropy", losses, losses_known, 1e-6, 1e-6);
  expect_close("cross_entropy_backward", dx, dx_known, 2e-6, 1e-6);
}

// A convolution of 3 x 3 with a padding of 1 on windows of 4 x 4, two pixels apart, and a pooling of all that is left.
void check_sliding(LayerKind pooling, int64_t rows, int64_t columns) {
  constexpr int64_t kChannels = 2, kOutputs = 5, kWindow = 4, kStep = 2;
  const int64_t height = (rows - 1) * kStep + kWindow, width = (columns - 1) * kStep + kWindow;
  const Floats x = numbers(kChannels * height * width, 3), w = numbers(kOutputs * kChannels * 9, 3);
  const Floats b = numbers(kOutputs, 3);
  const Lines pixels{{1, 1, {}}, {1, 1, {}}};  // 0 and 2 of a window, 1 and 3
  const Lines middle{{0, 3, {{0, 0, 0}, {1, 1, 0}, {2, 0, 1}}},
                     {0, 3, {{0, 1, 0}, {1, 0, 1}, {2, 1, 1}}},
                     {0, 3, {{1, 0, 0}, {2, 1, 0}}},
                     {0, 3, {{0, 0, 1}, {1, 1, 1}}}};  // positions 1, 2, 0, 3
  const Lines whole{{0, 4, {{0, 2, 0}, {1, 0, 0}, {2, 1, 0}, {3, 3, 0}}}};
  SlidingNet net;
  net.channels = kChannels;
  net.rows = net.columns = pixels;
  net.step = {kStep, kStep};
  net.layers.resize(2);
  net.layers[0].kind = LayerKind::Conv2d;
  net.layers[0].rows = net.layers[0].columns = middle;
  net.layers[0].kernel = {3, 3};
  net.layers[0].weight = w.data();
  net.layers[0].bias = b.data();
  net.layers[1].kind = pooling;
  net.layers[1].rows = net.layers[1].columns = whole;
  net.layers[1].kernel = {4, 4};
  net.layers[0].channels = net.layers[1].channels = kOutputs;
  Floats y(static_cast<size_t>(kOutputs * rows * columns));
  Doubles known(y.size());
  for (size_t at = 0; at < known.size(); ++at) {
    const int64_t o = at / (rows * columns), top = at / columns % rows * kStep, left = at % columns * kStep;
    for (int64_t p = 0; p < kWindow * kWindow; ++p) {
      double sum = b[o];
      for (int64_t t = 0; t < kChannels * 9; ++t) {
        const int64_t row = p / kWindow + t / 3 % 3 - 1, column = p % kWindow + t % 3 - 1;
        if (row < 0 || row >= kWindow || column < 0 || column >= kWindow) continue;
        sum += w[o * kChannels * 9 + t] * x[(t / 9 * height + top + row) * width + left + column];
      }
      if (pooling == LayerKind::AvgPool2d)
        known[at] += sum / (kWindow * kWindow);
      else
        known[at] = p ? std::max(known[at], sum) : sum;
    }
  }
  Sliding(net, kernels(), rows, columns).run({x.data(), false, {kChannels, height, width}, 0, 0}, y.data(), nullptr);
  expect_equal("sliding", y, known);
}

void check_bytes() {
  std::vector<std::vector<uint8_t>> images(kTile, std::vector<uint8_t>(259));
  const uint8_t* pointers[kTile];
  for (int n = 0; n < kTile; ++n) {
    for (size_t i = 0; i < images[n].size(); ++i) images[n][i] = static_cast<uint8_t>(i * 37 + n);
    pointers[n] = images[n].data();
  }
  Floats tile(images[0].size() * kTile);
  kernels().pack_bytes(pointers, static_cast<int64_t>(images[0].size()), tile.data());
  Doubles known(tile.size());
  for (size_t i = 0; i < known.size(); ++i) known[i] = static_cast<float>(images[i % kTile][i / kTile]) / 255.0f;
  expect_equal("bytes times 1/255", tile, known);
}

void check_everything() {
  for (const int64_t images : {1, 16, 35}) {
    check_conv2d({{1, 28, 28}, 6, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 1}, images);
    check_conv2d({{6, 14, 14}, 16, {5, 5}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1}, images);
    check_conv2d({{4, 9, 11}, 6, {3, 2}, {2, 3}, {2, 1}, {1, 0, 3, 2}, 2}, images);
    check_conv2d({{17, 4, 3}, 23, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1}, images);
    check_pool2d({{6, 28, 28}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, false, AverageDivisor::Pixels, 0}, images);
    check_pool2d({{3, 8, 9}, {3, 2}, {2, 3}, {1, 2}, {1, 1, 1, 0}, true, AverageDivisor::Pixels, 0}, images);
    check_linear({400, 120}, images);
    check_linear({7, 3}, images);
    check_softmax(images, 10);
    check_softmax(images, 1000);
  }
  for (const LayerKind pooling : {LayerKind::MaxPool2d, LayerKind::AvgPool2d}) {
    check_sliding(pooling, 1, 1);
    check_sliding(pooling, 7, 37);
    check_sliding(pooling, 60, 300);
  }
  check_activations();
  check_bytes();
}

}  // namespace

int main() {
  for (const Kernels* table : available_kernels()) {
    select_kernels(table->name);
    for (const int threads : {1, 3}) {
      Pool::shared().resize(threads);
      check_everything();
    }
    std::printf("%s: every op is right\n", table->name);
  }
  return 0;
}
