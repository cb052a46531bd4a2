// One update of one array.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "engine/update.h"
#include "isa/dispatch.h"

namespace convlet::bindings {
namespace {

float* write_like(const char* op, const char* name, const Operand& a, const Operand& parameter) {
  float* data = write(op, name, a);
  check_shape(op, name, a, parameter.sizes(), " to match its parameter");
  return data;
}

// What an update reads and writes; `first` and `second` may be null.
struct Buffers {
  Place place;
  const float* gradient;
  std::int64_t count;
  float *parameter, *first, *second;
};

void update(const Optimizer& optimizer, double lr, std::int64_t done, const Buffers& b) {
  const Released released;
  if (b.place == Place::Host) {
    Update(optimizer, lr, done).apply(kernels(), b.gradient, b.count, b.parameter, b.first, b.second);
    return;
  }
  const cuda::StepRates rates = cuda::rates_of(optimizer, lr, done);
  const auto on_device = cuda::allocate(sizeof rates);
  cuda::upload(on_device.get(), &rates, sizeof rates);
  cuda::update(cuda::stream(), optimizer, static_cast<const cuda::StepRates*>(on_device.get()), b.gradient, b.count,
               b.parameter, b.first, b.second);
}

void sgd_step(const Operand& parameter, const Operand& gradient, const std::optional<Operand>& momentum_buffer,
              double lr, double momentum, double dampening, double weight_decay, bool nesterov, bool first) {
  constexpr const char* kOp = "sgd";
  const Operand* carried = momentum_buffer ? &*momentum_buffer : nullptr;
  const Place place = place_of(kOp, {{"parameter", &parameter}, {"gradient", &gradient}, {"momentum_buffer", carried}});
  float* p = write(kOp, "parameter", parameter);
  const float* g = read(kOp, "gradient", gradient);
  check_shape(kOp, "gradient", gradient, parameter.sizes(), " to match its parameter");
  if (momentum != 0 && !carried) refuse(kOp, "a momentum buffer where momentum is not 0", "None");
  float* buffer = carried ? write_like(kOp, "momentum_buffer", *carried, parameter) : nullptr;
  Optimizer optimizer;
  optimizer.momentum = momentum;
  optimizer.dampening = dampening;
  optimizer.weight_decay = weight_decay;
  optimizer.nesterov = nesterov;
  update(optimizer, lr, first ? 0 : 1, {place, g, parameter.size(), p, buffer, nullptr});
}

void adam_step(const Operand& parameter, const Operand& gradient, const Operand& m, const Operand& v, double lr,
               double beta1, double beta2, double eps, double weight_decay, bool decoupled, std::int64_t step) {
  constexpr const char* kOp = "adam";
  const Place place = place_of(kOp, {{"parameter", &parameter}, {"gradient", &gradient}, {"m", &m}, {"v", &v}});
  float* p = write(kOp, "parameter", parameter);
  const float* g = read(kOp, "gradient", gradient);
  check_shape(kOp, "gradient", gradient, parameter.sizes(), " to match its parameter");
  float *mp = write_like(kOp, "m", m, parameter), *vp = write_like(kOp, "v", v, parameter);
  if (step < 1) refuse(kOp, "a step of at least 1", std::to_string(step));
  Optimizer optimizer;
  optimizer.kind = OptimizerKind::Adam;
  optimizer.beta1 = beta1;
  optimizer.beta2 = beta2;
  optimizer.eps = eps;
  optimizer.weight_decay = weight_decay;
  optimizer.decay = decoupled ? WeightDecay::Decoupled : WeightDecay::Coupled;
  update(optimizer, lr, step - 1, {place, g, parameter.size(), p, mp, vp});
}

}  // namespace

void bind_optimizer(py::module_& m) {
  m.def("sgd_step", &sgd_step, py::arg("parameter"), py::arg("gradient"), py::arg("momentum_buffer").none(true),
        py::arg("lr"), py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"),
        py::arg("first"));
  m.def("adam_step", &adam_step, py::arg("parameter"), py::arg("gradient"), py::arg("m"), py::arg("v"), py::arg("lr"),
        py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"),
        py::arg("step"));
}

}  // namespace convlet::bindings
