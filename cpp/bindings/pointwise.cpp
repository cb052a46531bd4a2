// Activations and softmax.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

void bind_activation(py::module_& m, const char* name, const char* backward, Activation kind) {
  m.def(
      name,
      [name, kind](const py::array& x) {
        const float* xp = read(name, "x", x);
        py::array_t<float> y = make(sizes_of(x));
        float* yp = y.mutable_data();
        const std::int64_t count = x.size();
        const Released released;
        ops::activation(kind, xp, count, yp);
        return y;
      },
      py::arg("x"));
  m.def(
      backward,
      [backward, kind](const py::array& dy, const py::array& y) {
        const float *dyp = read(backward, "dy", dy), *yp = read(backward, "y", y);
        check_shape(backward, "dy", dy, sizes_of(y), " to match y");
        py::array_t<float> dx = make(sizes_of(y));
        float* dxp = dx.mutable_data();
        const std::int64_t count = y.size();
        const Released released;
        ops::activation_backward(kind, dyp, yp, count, dxp);
        return dx;
      },
      py::arg("dy"), py::arg("y"));
}

using Rows = void (*)(std::int64_t, std::int64_t, const float*, float*);
using RowsBackward = void (*)(std::int64_t, std::int64_t, const float*, const float*, float*);

void check_classes(const char* name, const py::array& x) {
  if (x.shape(1) < 1) refuse(name, "at least one class", shape_text(x));
}

void bind_rows(py::module_& m, const char* name, const char* backward, Rows op, RowsBackward op_backward) {
  m.def(
      name,
      [name, op](const py::array& x) {
        const float* xp = read(name, "x", x, {"rows", "classes"});
        check_classes(name, x);
        py::array_t<float> y = make(sizes_of(x));
        float* yp = y.mutable_data();
        const std::int64_t rows = x.shape(0), classes = x.shape(1);
        const Released released;
        op(rows, classes, xp, yp);
        return y;
      },
      py::arg("x"));
  m.def(
      backward,
      [backward, op_backward](const py::array& dy, const py::array& y) {
        const float *dyp = read(backward, "dy", dy), *yp = read(backward, "y", y, {"rows", "classes"});
        check_shape(backward, "dy", dy, sizes_of(y), " to match y");
        check_classes(backward, y);
        py::array_t<float> dx = make(sizes_of(y));
        float* dxp = dx.mutable_data();
        const std::int64_t rows = y.shape(0), classes = y.shape(1);
        const Released released;
        op_backward(rows, classes, dyp, yp, dxp);
        return dx;
      },
      py::arg("dy"), py::arg("y"));
}

}  // namespace

void bind_pointwise(py::module_& m) {
  bind_activation(m, "relu", "relu_backward", Activation::Relu);
  bind_activation(m, "sigmoid", "sigmoid_backward", Activation::Sigmoid);
  bind_activation(m, "tanh", "tanh_backward", Activation::Tanh);
  bind_rows(m, "softmax", "softmax_backward", ops::softmax, ops::softmax_backward);
  bind_rows(m, "log_softmax", "log_softmax_backward", ops::log_softmax, ops::log_softmax_backward);
}

}  // namespace convlet::bindings
