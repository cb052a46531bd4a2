#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

Linear shape_of(const char* name, const py::array& x, const py::array& weight) {
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

py::array linear(const py::array& x, const py::array& weight, const std::optional<py::array>& bias) {
  const Linear op = shape_of("linear", x, weight);
  const float* b = nullptr;
  if (bias) {
    b = read("linear", "bias", *bias);
    check_shape("linear", "bias", *bias, {op.outputs}, " to match weight " + shape_text(weight));
  }
  py::array_t<float> y = make({x.shape(0), op.outputs});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  float* yp = y.mutable_data();
  const std::int64_t images = x.shape(0);
  const Released released;
  ops::linear(op, images, xp, wp, b, yp);
  return y;
}

py::tuple linear_backward(const py::array& dy, const py::array& x, const py::array& weight) {
  const Linear op = shape_of("linear_backward", x, weight);
  const float* dyp = read("linear_backward", "dy", dy);
  check_shape("linear_backward", "dy", dy, {x.shape(0), op.outputs}, " (linear's output)");
  py::array_t<float> dx = make({x.shape(0), op.inputs}), dw = make({op.outputs, op.inputs}), db = make({op.outputs});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  float *dxp = dx.mutable_data(), *dwp = dw.mutable_data(), *dbp = db.mutable_data();
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    ops::linear_backward(op, images, dyp, xp, wp, dxp, dwp, dbp);
  }
  return py::make_tuple(dx, dw, db);
}

}  // namespace

void bind_linear(py::module_& m) {
  m.def("linear", &linear, py::arg("x"), py::arg("weight"), py::arg("bias").none(true));
  m.def("linear_backward", &linear_backward, py::arg("dy"), py::arg("x"), py::arg("weight"));
}

}  // namespace convlet::bindings
