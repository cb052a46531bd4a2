#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "conv2d";

Conv2d shape_of(const py::array& x, const py::array& weight, const Two& stride, const Four& padding,
                const Two& dilation, std::int64_t groups) {
  read(kOp, "x", x, {"N", "C", "H", "W"});
  read(kOp, "weight", weight, {"O", "C / groups", "KH", "KW"});
  Conv2d op;
  op.in = {x.shape(1), x.shape(2), x.shape(3)};
  op.out_channels = weight.shape(0);
  op.kernel = {weight.shape(2), weight.shape(3)};
  op.stride = pair_of(stride);
  op.dilation = pair_of(dilation);
  op.padding = padding_of(padding);
  op.groups = groups;
  if (groups >= 1 && op.in.channels % groups == 0 && weight.shape(1) != op.channels_of_group()) {
    refuse(kOp,
           "weight of shape (O, " + std::to_string(op.channels_of_group()) + ", KH, KW) to match x " + shape_text(x) +
               (groups == 1 ? "" : " in " + std::to_string(groups) + " groups"),
           shape_text(weight));
  }
  check(op);
  return op;
}

py::array conv2d(const py::array& x, const py::array& weight, const std::optional<py::array>& bias, const Two& stride,
                 const Four& padding, const Two& dilation, std::int64_t groups) {
  const Conv2d op = shape_of(x, weight, stride, padding, dilation, groups);
  const float* b = nullptr;
  if (bias) {
    b = read(kOp, "bias", *bias);
    check_shape(kOp, "bias", *bias, {op.out_channels}, " to match weight " + shape_text(weight));
  }
  const Image out = op.out();
  py::array_t<float> y = make({x.shape(0), out.channels, out.height, out.width});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  float* yp = y.mutable_data();
  const std::int64_t images = x.shape(0);
  const Released released;
  ops::conv2d(op, images, xp, wp, b, yp);
  return y;
}

py::tuple conv2d_backward(const py::array& dy, const py::array& x, const py::array& weight, const Two& stride,
                          const Four& padding, const Two& dilation, std::int64_t groups) {
  const Conv2d op = shape_of(x, weight, stride, padding, dilation, groups);
  const Image out = op.out();
  const float* dyp = read("conv2d_backward", "dy", dy);
  check_shape("conv2d_backward", "dy", dy, {x.shape(0), out.channels, out.height, out.width}, " (conv2d's output)");
  py::array_t<float> dx = make({x.shape(0), op.in.channels, op.in.height, op.in.width});
  py::array_t<float> dw = make({op.out_channels, op.channels_of_group(), op.kernel.height, op.kernel.width});
  py::array_t<float> db = make({op.out_channels});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  float *dxp = dx.mutable_data(), *dwp = dw.mutable_data(), *dbp = db.mutable_data();
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    ops::conv2d_backward(op, images, dyp, xp, wp, dxp, dwp, dbp);
  }
  return py::make_tuple(dx, dw, db);
}

}  // namespace

void bind_conv2d(py::module_& m) {
  m.def("conv2d", &conv2d, py::arg("x"), py::arg("weight"), py::arg("bias").none(true), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"));
  m.def("conv2d_backward", &conv2d_backward, py::arg("dy"), py::arg("x"), py::arg("weight"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"));
}

}  // namespace convlet::bindings
