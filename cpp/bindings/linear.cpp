#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

Linear shape_of(const char* name, const Operand& x, const Operand& weight) {
  read(name, "x", x, {"N", "in_features"});
  read(name, "weight", weight, {"out_features", "in_features"});
  const Linear op{weight.shape(1), weight.shape(0)};
  if (x.shape(1) != op.inputs) {
    refuse(name, "x of shape (N, " + std::to_string(op.inputs) + ") to match weight " + shape_text(weight),
           shape_text(x));
  }
  check(op);
  return op;
}

py::object linear(const Operand& x, const Operand& weight, const std::optional<Operand>& bias) {
  const Place place = place_of("linear", {{"x", &x}, {"weight", &weight}, {"bias", bias ? &*bias : nullptr}});
  const Linear op = shape_of("linear", x, weight);
  const float* b = nullptr;
  if (bias) {
    b = read("linear", "bias", *bias);
    check_shape("linear", "bias", *bias, {op.outputs}, " to match weight " + shape_text(weight));
  }
  const Result<> y(place, {x.shape(0), op.outputs});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::linear(cuda::stream(), op, images, xp, wp, b, Activation::None, y.data());
    } else {
      ops::linear(op, images, xp, wp, b, y.data());
    }
  }
  return y.object();
}

void backward_on_device(const Linear& op, std::int64_t images, const float* dy, const float* x, const float* w,
                        float* dx, float* dw, float* db) {
  const DeviceScratch scratch(cuda::linear_scratch(op, images));
  cuda::linear_backward_input(cuda::stream(), op, images, dy, w, dx);
  cuda::linear_backward_weight(cuda::stream(), op, images, dy, x, scratch.data(), dw, db);
}

py::tuple linear_backward(const Operand& dy, const Operand& x, const Operand& weight) {
  const Place place = place_of("linear_backward", {{"dy", &dy}, {"x", &x}, {"weight", &weight}});
  const Linear op = shape_of("linear_backward", x, weight);
  const float* dyp = read("linear_backward", "dy", dy);
  check_shape("linear_backward", "dy", dy, {x.shape(0), op.outputs}, " (linear's output)");
  const Result<> dx(place, x.sizes()), dw(place, weight.sizes()), db(place, {op.outputs});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    const auto run = place == Place::Device ? backward_on_device : ops::linear_backward;
    run(op, images, dyp, xp, wp, dx.data(), dw.data(), db.data());
  }
  return py::make_tuple(dx.object(), dw.object(), db.object());
}

}  // namespace

void bind_linear(py::module_& m) {
  m.def("linear", &linear, py::arg("x"), py::arg("weight"), py::arg("bias").none(true));
  m.def("linear_backward", &linear_backward, py::arg("dy"), py::arg("x"), py::arg("weight"));
}

}  // namespace convlet::bindings
