#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

Pool2d shape_of(const char* op_name, const py::array& x, const Two& kernel, const Two& stride, const Four& padding,
                const Two& dilation, bool ceil_mode) {
  read(op_name, "x", x, {"N", "C", "H", "W"});
  Pool2d op;
  op.in = {x.shape(1), x.shape(2), x.shape(3)};
  op.kernel = pair_of(kernel);
  op.stride = pair_of(stride);
  op.dilation = pair_of(dilation);
  op.padding = padding_of(padding);
  op.ceil_mode = ceil_mode;
  return op;
}

Pool2d average_of(const py::array& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                  bool ceil_mode, bool count_include_pad, std::int64_t divisor_override) {
  Pool2d op = shape_of("avg_pool2d", x, kernel, stride, padding, dilation, ceil_mode);
  op.count = count_include_pad ? AverageDivisor::Window : AverageDivisor::Pixels;
  op.divisor = divisor_override;
  check(op, "avg_pool2d");
  return op;
}

const float* read_slope(const char* name, const py::array& dy, const py::array& x, const Image& out) {
  const float* data = read(name, "dy", dy);
  check_shape(name, "dy", dy, {x.shape(0), out.channels, out.height, out.width}, " (the output of the forward pass)");
  return data;
}

py::tuple max_pool2d(const py::array& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                     bool ceil_mode) {
  const Pool2d op = shape_of("max_pool2d", x, kernel, stride, padding, dilation, ceil_mode);
  check(op, "max_pool2d");
  const Image out = op.out();
  const std::vector<std::int64_t> shape{x.shape(0), out.channels, out.height, out.width};
  py::array_t<float> y = make(shape);
  py::array_t<std::int64_t> indices = make<std::int64_t>(shape);
  const auto* xp = static_cast<const float*>(x.data());
  float* yp = y.mutable_data();
  std::int64_t* ip = indices.mutable_data();
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    ops::max_pool2d(op, images, xp, yp, ip);
  }
  return py::make_tuple(y, indices);
}

py::array max_pool2d_backward(const py::array& dy, const py::array& x, const Two& kernel, const Two& stride,
                              const Four& padding, const Two& dilation, bool ceil_mode) {
  const Pool2d op = shape_of("max_pool2d_backward", x, kernel, stride, padding, dilation, ceil_mode);
  check(op, "max_pool2d_backward");
  const float* dyp = read_slope("max_pool2d_backward", dy, x, op.out());
  py::array_t<float> dx = make({x.shape(0), op.in.channels, op.in.height, op.in.width});
  const auto* xp = static_cast<const float*>(x.data());
  float* dxp = dx.mutable_data();
  const std::int64_t images = x.shape(0);
  const Released released;
  ops::max_pool2d_backward(op, images, dyp, xp, dxp);
  return dx;
}

py::array avg_pool2d(const py::array& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                     bool ceil_mode, bool count_include_pad, std::int64_t divisor_override) {
  const Pool2d op = average_of(x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override);
  const Image out = op.out();
  py::array_t<float> y = make({x.shape(0), out.channels, out.height, out.width});
  const auto* xp = static_cast<const float*>(x.data());
  float* yp = y.mutable_data();
  const std::int64_t images = x.shape(0);
  const Released released;
  ops::avg_pool2d(op, images, xp, yp);
  return y;
}

py::array avg_pool2d_backward(const py::array& dy, const py::array& x, const Two& kernel, const Two& stride,
                              const Four& padding, const Two& dilation, bool ceil_mode, bool count_include_pad,
                              std::int64_t divisor_override) {
  const Pool2d op = average_of(x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override);
  const float* dyp = read_slope("avg_pool2d_backward", dy, x, op.out());
  py::array_t<float> dx = make({x.shape(0), op.in.channels, op.in.height, op.in.width});
  float* dxp = dx.mutable_data();
  const std::int64_t images = x.shape(0);
  const Released released;
  ops::avg_pool2d_backward(op, images, dyp, dxp);
  return dx;
}

}  // namespace

void bind_pool2d(py::module_& m) {
  m.def("max_pool2d", &max_pool2d, py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("ceil_mode"));
  m.def("max_pool2d_backward", &max_pool2d_backward, py::arg("dy"), py::arg("x"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"));
  m.def("avg_pool2d", &avg_pool2d, py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("ceil_mode"), py::arg("count_include_pad"), py::arg("divisor_override"));
  m.def("avg_pool2d_backward", &avg_pool2d_backward, py::arg("dy"), py::arg("x"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"), py::arg("count_include_pad"),
        py::arg("divisor_override"));
}

}  // namespace convlet::bindings
