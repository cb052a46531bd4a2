// One update of parameters by torch.optim's formulas, operation by operation those of cpp/kernels/optimizer.inl:
//
//   SGD   g = gradient + weight_decay p;  b = momentum b + (1 - dampening) g  (b = g at the first step)
//         p = p - lr (g, or b, or with Nesterov's momentum g + momentum b)
//   Adam  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//         p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//
// What changes from step to step is read from the device, so that a recorded graph of steps stays right. A thread
// updates one parameter: up to seven floats each way, whose addresses neighbour those of the next thread.
#include <cmath>

#include "cuda/kernels/device.cuh"
#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

struct SgdRule {
  float momentum, fresh, weight_decay;  // fresh: 1 - dampening
};

template <Momentum M>
__global__ void sgd_kernel(const SgdRule rule, const StepRates* rates, const float* gradients, std::int64_t count,
                           float* parameters, float* buffers) {
  const std::int64_t i = thread_of_grid();
  if (i >= count) return;
  const float p = parameters[i];
  float g = gradients[i];
  if (rule.weight_decay != 0.0f) g = fmaf(rule.weight_decay, p, g);
  if constexpr (M != Momentum::None) {
    const float b = rates->fresh != 0.0f ? g : fmaf(rule.fresh, g, rule.momentum * buffers[i]);
    buffers[i] = b;
    g = M == Momentum::Nesterov ? fmaf(rule.momentum, b, g) : b;
  }
  parameters[i] = fmaf(-rates->lr, g, p);
}

struct AdamRule {
  float fresh1, beta2, fresh2, eps, weight_decay;  // fresh: 1 - beta
};

template <WeightDecay D>
__global__ void adam_kernel(const AdamRule rule, const StepRates* rates, const float* gradients, std::int64_t count,
                            float* parameters, float* firsts, float* seconds) {
  const std::int64_t i = thread_of_grid();
  if (i >= count) return;
  float p = parameters[i], g = gradients[i];
  if (D == WeightDecay::Decoupled) p = p * rates->keep;
  if (D == WeightDecay::Coupled && rule.weight_decay != 0.0f) g = fmaf(rule.weight_decay, p, g);
  const float old = firsts[i];
  const float first = fmaf(rule.fresh1, g - old, old);
  const float second = fmaf(rule.fresh2 * g, g, rule.beta2 * seconds[i]);
  firsts[i] = first;
  seconds[i] = second;
  const float root = __fdiv_rn(__fsqrt_rn(second), rates->correction_root);
  parameters[i] = fmaf(-rates->lr, __fdiv_rn(first, root + rule.eps), p);
}

float narrow(double value) { return static_cast<float>(value); }

}  // namespace

StepRates rates_of(const Optimizer& o, double lr, std::int64_t done) {
  StepRates rates;
  rates.fresh = done == 0 ? 1.0f : 0.0f;
  rates.lr = narrow(lr);
  if (o.kind == OptimizerKind::Sgd) return rates;
  const auto t = static_cast<double>(done + 1);
  rates.lr = narrow(lr / (1.0 - std::pow(o.beta1, t)));
  rates.correction_root = narrow(std::sqrt(1.0 - std::pow(o.beta2, t)));
  rates.keep = narrow(1.0 - lr * o.weight_decay);
  return rates;
}

void update(Stream stream, const Optimizer& o, const StepRates* rates, const float* gradients, std::int64_t count,
            float* parameters, float* first, float* second) {
  if (o.kind == OptimizerKind::Sgd) {
    const SgdRule rule{narrow(o.momentum), narrow(1.0 - o.dampening), narrow(o.weight_decay)};
    const auto kernel = o.momentum == 0 ? sgd_kernel<Momentum::None>
                        : o.nesterov    ? sgd_kernel<Momentum::Nesterov>
                                        : sgd_kernel<Momentum::Classic>;
    launch("update", kernel, line(count), stream, rule, rates, gradients, count, parameters, first);
  } else {
    const AdamRule rule{narrow(1.0 - o.beta1), narrow(o.beta2), narrow(1.0 - o.beta2), narrow(o.eps),
                        narrow(o.weight_decay)};
    const auto kernel =
        o.decay == WeightDecay::Decoupled ? adam_kernel<WeightDecay::Decoupled> : adam_kernel<WeightDecay::Coupled>;
    launch("update", kernel, line(count), stream, rule, rates, gradients, count, parameters, first, second);
  }
}

}  // namespace convlet::cuda
