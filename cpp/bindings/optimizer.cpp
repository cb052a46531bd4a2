// One update of several arrays.
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

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

// What the update of one array reads and writes; `first` and `second` may be null.
struct Buffers {
  const float* gradient;
  std::int64_t count;
  float *parameter, *first, *second;
};

// The updates of one step, all of them or, where anything is wrong, none.
class Step {
 public:
  explicit Step(const char* op) : op_(op) {}

  // All arrays of a step lie at one place.
  void add(const Operand& parameter, const Operand& gradient, const Operand* first, const Operand* second) {
    place_ = place_of(op_, {{"parameter", &parameter}, {"gradient", &gradient}, {"state", first}, {"state", second}});
    float* p = write(op_, "parameter", parameter);
    const float* g = read(op_, "gradient", gradient);
    check_shape(op_, "gradient", gradient, parameter.sizes(), " to match its parameter");
    const auto state = [&](const Operand* a) { return a ? write_like(op_, "state", *a, parameter) : nullptr; };
    all_.push_back({g, parameter.size(), p, state(first), state(second)});
  }

  void run(const Optimizer& optimizer, double lr, std::int64_t done) const {
    const Released released;
    if (place_ == Place::Host) {
      const Update update(optimizer, lr, done);
      for (const Buffers& b : all_) update.apply(kernels(), b.gradient, b.count, b.parameter, b.first, b.second);
      return;
    }
    const cuda::StepRates rates = cuda::rates_of(optimizer, lr, done);
    const auto memory = cuda::allocate(sizeof rates);
    cuda::upload(memory.get(), &rates, sizeof rates);
    const auto* on_device = static_cast<const cuda::StepRates*>(memory.get());
    for (const Buffers& b : all_) {
      cuda::update(cuda::stream(), optimizer, on_device, b.gradient, b.count, b.parameter, b.first, b.second);
    }
  }

 private:
  const char* op_;
  Place place_ = Place::Host;
  std::vector<Buffers> all_;
};

using Operands = std::vector<Operand>;

// As many arrays of each kind as there are parameters.
void check_count(const char* op, const char* name, const Operands& arrays, const Operands& parameters) {
  if (arrays.size() == parameters.size()) return;
  refuse(op, std::string(name) + " for each of " + std::to_string(parameters.size()) + " parameters",
         std::to_string(arrays.size()));
}

void sgd_step(const Operands& parameters, const Operands& gradients, const std::optional<Operands>& momentum_buffers,
              double lr, double momentum, double dampening, double weight_decay, bool nesterov, bool first) {
  constexpr const char* kOp = "sgd";
  check_count(kOp, "a gradient", gradients, parameters);
  if (momentum_buffers) check_count(kOp, "a momentum buffer", *momentum_buffers, parameters);
  if (momentum != 0 && !momentum_buffers) refuse(kOp, "momentum buffers where momentum is not 0", "None");
  Step step(kOp);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    step.add(parameters[i], gradients[i], momentum_buffers ? &(*momentum_buffers)[i] : nullptr, nullptr);
  }
  Optimizer optimizer;
  optimizer.momentum = momentum;
  optimizer.dampening = dampening;
  optimizer.weight_decay = weight_decay;
  optimizer.nesterov = nesterov;
  step.run(optimizer, lr, first ? 0 : 1);
}

void adam_step(const Operands& parameters, const Operands& gradients, const Operands& m, const Operands& v, double lr,
               double beta1, double beta2, double eps, double weight_decay, bool decoupled, std::int64_t number) {
  constexpr const char* kOp = "adam";
  check_count(kOp, "a gradient", gradients, parameters);
  check_count(kOp, "an m", m, parameters);
  check_count(kOp, "a v", v, parameters);
  if (number < 1) refuse(kOp, "a step of at least 1", std::to_string(number));
  Step step(kOp);
  for (std::size_t i = 0; i < parameters.size(); ++i) step.add(parameters[i], gradients[i], &m[i], &v[i]);
  Optimizer optimizer;
  optimizer.kind = OptimizerKind::Adam;
  optimizer.beta1 = beta1;
  optimizer.beta2 = beta2;
  optimizer.eps = eps;
  optimizer.weight_decay = weight_decay;
  optimizer.decay = decoupled ? WeightDecay::Decoupled : WeightDecay::Coupled;
  step.run(optimizer, lr, number - 1);
}

}  // namespace

void bind_optimizer(py::module_& m) {
  m.def("sgd_step", &sgd_step, py::arg("parameters"), py::arg("gradients"), py::arg("momentum_buffers").none(true),
        py::arg("lr"), py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"),
        py::arg("first"));
  m.def("adam_step", &adam_step, py::arg("parameters"), py::arg("gradients"), py::arg("m"), py::arg("v"), py::arg("lr"),
        py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"),
        py::arg("step"));
}

}  // namespace convlet::bindings
