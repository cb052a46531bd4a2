// Activations, bytes and optimizers on the device against the CPU's, bit by bit.
#include "compare.h"
#include "cuda/ops.h"
#include "engine/update.h"
#include "isa/dispatch.h"
#include "ops/ops.h"

using namespace convlet;

namespace check {
namespace {

// Every 2^20-th float, whatever it is: both zeros, subnormals, infinities, NaN.
Floats all_kinds() {
  Floats values;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += (1 << 20) - 1) {
    const auto word = static_cast<std::uint32_t>(bits);
    values.push_back(0.0f);
    std::memcpy(&values.back(), &word, sizeof word);
  }
  for (const float special : {0.0f, -0.0f, INFINITY, -INFINITY, std::nanf(""), 1e-42f, -1e-42f}) {
    values.push_back(special);
  }
  return values;
}

void check_activation(Activation kind, const Floats& x, std::size_t shift) {
  const std::string name = "activation " + std::to_string(static_cast<int>(kind));
  const auto count = static_cast<std::int64_t>(x.size());
  const Floats dy = numbers(count, Numbers::Real, 4.0f);
  Floats y(x.size()), dx(x.size());
  ops::activation(kind, x.data(), count, y.data());
  ops::activation_backward(kind, dy.data(), y.data(), count, dx.data());
  const DeviceFloats x_device(x, shift), dy_device(dy, shift), y_device(x.size(), shift), dx_device(x.size(), shift);
  cuda::activation(cuda::stream(), kind, x_device, count, y_device);
  expect_bits(name, y_device.host(), y);
  cuda::activation_backward(cuda::stream(), kind, dy_device, y_device, count, dx_device);
  expect_bits(name + ", dx", dx_device.host(), dx);
  cuda::activation(cuda::stream(), kind, x_device, count, x_device);
  expect_bits(name + " in place", x_device.host(), y);
  cuda::activation_backward(cuda::stream(), kind, dy_device, y_device, count, dy_device);
  expect_bits(name + ", dx in place", dy_device.host(), dx);
}

void check_optimizer(const Optimizer& o, std::int64_t count) {
  constexpr double lr = 0.013;
  Floats p = numbers(count, Numbers::Real, 1.0f), first(p.size()), second(p.size());
  const DeviceFloats p_device(p), first_device(first), second_device(second);
  for (std::int64_t done = 0; done < 3; ++done) {
    const Floats gradient = numbers(count, Numbers::Real, 1.0f);
    Update(o, lr, done).apply(kernels(), gradient.data(), count, p.data(), first.data(), second.data());
    const Array<cuda::StepRates> rates(std::vector<cuda::StepRates>{cuda::rates_of(o, lr, done)});
    const DeviceFloats gradient_device(gradient);
    cuda::update(cuda::stream(), o, rates, gradient_device, count, p_device, first_device, second_device);
    expect_bits("optimizer, parameters", p_device.host(), p);
    if (o.state_arrays() >= 1) expect_bits("optimizer, first", first_device.host(), first);
    if (o.state_arrays() == 2) expect_bits("optimizer, second", second_device.host(), second);
  }
}

}  // namespace

void activation() {
  for (const Activation kind : {Activation::None, Activation::Relu, Activation::Sigmoid, Activation::Tanh}) {
    check_activation(kind, all_kinds(), 0);
    for (const std::int64_t count : {0, 1, 3, 4, 1027}) {
      for (const std::size_t shift : {0, 1}) check_activation(kind, numbers(count, Numbers::Real, 20.0f), shift);
    }
  }
}

void pack() {
  std::vector<std::uint8_t> bytes(1027);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37);
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{6}, bytes.size()}) {
    const std::vector<std::uint8_t> own(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    Floats expected(count);
    kernels().scale_bytes(own.data(), static_cast<std::ptrdiff_t>(count), expected.data());
    for (const std::size_t shift : {0, 1}) {
      const Array<std::uint8_t> device(own, shift);
      const DeviceFloats x(count);
      cuda::scale_bytes(cuda::stream(), device, static_cast<std::int64_t>(count), x);
      expect_bits("scale_bytes", x.host(), expected);
    }
  }
}

void optimizer() {
  for (const std::int64_t count : {0, 1, 1027}) {
    Optimizer sgd;
    check_optimizer(sgd, count);
    sgd.weight_decay = 0.01;
    sgd.momentum = 0.9;
    sgd.dampening = 0.1;
    check_optimizer(sgd, count);
    sgd.dampening = 0;
    sgd.nesterov = true;
    check_optimizer(sgd, count);
    Optimizer adam;
    adam.kind = OptimizerKind::Adam;
    check_optimizer(adam, count);
    adam.weight_decay = 0.01;
    check_optimizer(adam, count);
    adam.decay = WeightDecay::Decoupled;
    check_optimizer(adam, count);
  }
}

}  // namespace check
