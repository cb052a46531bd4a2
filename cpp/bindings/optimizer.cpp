// One update of one array.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "engine/update.h"
#include "isa/dispatch.h"

namespace convlet::bindings {
namespace {

float* write_like(const char* op, const char* name, py::array& a, const py::array& parameter) {
  float* data = write(op, name, a);
  check_shape(op, name, a, sizes_of(parameter), " to match its parameter");
  return data;
}

void sgd_step(py::array parameter, const py::array& gradient, std::optional<py::array> momentum_buffer, double lr,
              double momentum, double dampening, double weight_decay, bool nesterov, bool first) {
  constexpr const char* kOp = "sgd";
  float* p = write(kOp, "parameter", parameter);
  const float* g = read(kOp, "gradient", gradient);
  check_shape(kOp, "gradient", gradient, sizes_of(parameter), " to match its parameter");
  if (momentum != 0 && !momentum_buffer) refuse(kOp, "a momentum buffer where momentum is not 0", "None");
  float* buffer = momentum_buffer ? write_like(kOp, "momentum_buffer", *momentum_buffer, parameter) : nullptr;
  Optimizer optimizer;
  optimizer.momentum = momentum;
  optimizer.dampening = dampening;
  optimizer.weight_decay = weight_decay;
  optimizer.nesterov = nesterov;
  const Update update(optimizer, lr, first ? 0 : 1);
  const std::int64_t count = parameter.size();
  const Released released;
  update.apply(kernels(), g, count, p, buffer, nullptr);
}

void adam_step(py::array parameter, const py::array& gradient, py::array m, py::array v, double lr, double beta1,
               double beta2, double eps, double weight_decay, bool decoupled, std::int64_t step) {
  constexpr const char* kOp = "adam";
  float* p = write(kOp, "parameter", parameter);
  const float* g = read(kOp, "gradient", gradient);
  check_shape(kOp, "gradient", gradient, sizes_of(parameter), " to match its parameter");
  float *mp = write_like(kOp, "m", m, parameter), *vp = write_like(kOp, "v", v, parameter);
  if (step < 1) refuse(kOp, "a step of at least 1", std::to_string(step));
  Optimizer optimizer;
  optimizer.kind = OptimizerKind::Adam;
  optimizer.beta1 = beta1;
  optimizer.beta2 = beta2;
  optimizer.eps = eps;
  optimizer.weight_decay = weight_decay;
  optimizer.decay = decoupled ? WeightDecay::Decoupled : WeightDecay::Coupled;
  const Update update(optimizer, lr, step - 1);
  const std::int64_t count = parameter.size();
  const Released released;
  update.apply(kernels(), g, count, p, mp, vp);
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
