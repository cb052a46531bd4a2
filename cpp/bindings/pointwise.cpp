// Activations and softmax.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

void bind_activation(py::module_& m, const char* name, const char* backward, Activation kind) {
  m.def(
      name,
      [name, kind](const Operand& x) {
        const Place place = place_of(name, {{"x", &x}});
        const float* xp = read(name, "x", x);
        const Result<> y(place, x.sizes());
        const std::int64_t count = x.size();
        {
          const Released released;
          if (place == Place::Device) {
            cuda::activation(cuda::stream(), kind, xp, count, y.data());
          } else {
            ops::activation(kind, xp, count, y.data());
          }
        }
        return y.object();
      },
      py::arg("x"));
  m.def(
      backward,
      [backward, kind](const Operand& dy, const Operand& y) {
        const Place place = place_of(backward, {{"dy", &dy}, {"y", &y}});
        const float *dyp = read(backward, "dy", dy), *yp = read(backward, "y", y);
        check_shape(backward, "dy", dy, y.sizes(), " to match y");
        const Result<> dx(place, y.sizes());
        const std::int64_t count = y.size();
        {
          const Released released;
          if (place == Place::Device) {
            cuda::activation_backward(cuda::stream(), kind, dyp, yp, count, dx.data());
          } else {
            ops::activation_backward(kind, dyp, yp, count, dx.data());
          }
        }
        return dx.object();
      },
      py::arg("dy"), py::arg("y"));
}

// One op over rows of classes, on the host and on the device.
struct Rows {
  const char *name, *backward_name;
  void (*host)(std::int64_t, std::int64_t, const float*, float*);
  void (*host_backward)(std::int64_t, std::int64_t, const float*, const float*, float*);
  void (*device)(cuda::Stream, const cuda::Classes&, const float*, float*);
  void (*device_backward)(cuda::Stream, const cuda::Classes&, const float*, const float*, float*);
};

// The host takes (rows, classes); the device takes (outer, classes, inner), so that any axis may hold the classes.
const float* read_classes(const char* name, const char* what, const Operand& x) {
  const bool rows = x.place() == Place::Host;
  const float* data =
      rows ? read(name, what, x, {"rows", "classes"}) : read(name, what, x, {"outer", "classes", "inner"});
  if (x.shape(1) < 1) refuse(name, "at least one class", shape_text(x));
  return data;
}

cuda::Classes classes_of(const Operand& x) {
  return {x.shape(0), x.shape(1), x.place() == Place::Host ? 1 : x.shape(2)};
}

void bind_rows(py::module_& m, const Rows& op) {
  m.def(
      op.name,
      [op](const Operand& x) {
        const Place place = place_of(op.name, {{"x", &x}});
        const float* xp = read_classes(op.name, "x", x);
        const Result<> y(place, x.sizes());
        const cuda::Classes shape = classes_of(x);
        {
          const Released released;
          if (place == Place::Device) {
            op.device(cuda::stream(), shape, xp, y.data());
          } else {
            op.host(shape.outer, shape.classes, xp, y.data());
          }
        }
        return y.object();
      },
      py::arg("x"));
  m.def(
      op.backward_name,
      [op](const Operand& dy, const Operand& y) {
        const Place place = place_of(op.backward_name, {{"dy", &dy}, {"y", &y}});
        const float *dyp = read(op.backward_name, "dy", dy), *yp = read_classes(op.backward_name, "y", y);
        check_shape(op.backward_name, "dy", dy, y.sizes(), " to match y");
        const Result<> dx(place, y.sizes());
        const cuda::Classes shape = classes_of(y);
        {
          const Released released;
          if (place == Place::Device) {
            op.device_backward(cuda::stream(), shape, dyp, yp, dx.data());
          } else {
            op.host_backward(shape.outer, shape.classes, dyp, yp, dx.data());
          }
        }
        return dx.object();
      },
      py::arg("dy"), py::arg("y"));
}

}  // namespace

void bind_pointwise(py::module_& m) {
  bind_activation(m, "relu", "relu_backward", Activation::Relu);
  bind_activation(m, "sigmoid", "sigmoid_backward", Activation::Sigmoid);
  bind_activation(m, "tanh", "tanh_backward", Activation::Tanh);
  bind_rows(
      m, {"softmax", "softmax_backward", ops::softmax, ops::softmax_backward, cuda::softmax, cuda::softmax_backward});
  bind_rows(m, {"log_softmax", "log_softmax_backward", ops::log_softmax, ops::log_softmax_backward, cuda::log_softmax,
                cuda::log_softmax_backward});
}

}  // namespace convlet::bindings
