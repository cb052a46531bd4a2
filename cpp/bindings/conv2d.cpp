#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "conv2d";

Conv2d shape_of(const Operand& x, const Operand& weight, const Two& stride, const Four& padding, const Two& dilation,
                std::int64_t groups) {
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

py::object conv2d(const Operand& x, const Operand& weight, const std::optional<Operand>& bias, const Two& stride,
                  const Four& padding, const Two& dilation, std::int64_t groups) {
  const Place place = place_of(kOp, {{"x", &x}, {"weight", &weight}, {"bias", bias ? &*bias : nullptr}});
  const Conv2d op = shape_of(x, weight, stride, padding, dilation, groups);
  const float* b = nullptr;
  if (bias) {
    b = read(kOp, "bias", *bias);
    check_shape(kOp, "bias", *bias, {op.out_channels}, " to match weight " + shape_text(weight));
  }
  const Image out = op.out();
  const Result<> y(place, {x.shape(0), out.channels, out.height, out.width});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::conv2d(cuda::stream(), op, images, xp, wp, b, Activation::None, y.data());
    } else {
      ops::conv2d(op, images, xp, wp, b, y.data());
    }
  }
  return y.object();
}

void backward_on_device(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w,
                        float* dx, float* dw, float* db) {
  const DeviceScratch scratch(cuda::conv2d_scratch(op, images));
  cuda::conv2d_backward_input(cuda::stream(), op, images, dy, w, dx);
  cuda::conv2d_backward_weight(cuda::stream(), op, images, dy, x, scratch.data(), dw, db);
}

py::tuple conv2d_backward(const Operand& dy, const Operand& x, const Operand& weight, const Two& stride,
                          const Four& padding, const Two& dilation, std::int64_t groups) {
  const Place place = place_of("conv2d_backward", {{"dy", &dy}, {"x", &x}, {"weight", &weight}});
  const Conv2d op = shape_of(x, weight, stride, padding, dilation, groups);
  const Image out = op.out();
  const float* dyp = read("conv2d_backward", "dy", dy);
  check_shape("conv2d_backward", "dy", dy, {x.shape(0), out.channels, out.height, out.width}, " (conv2d's output)");
  const Result<> dx(place, x.sizes()), dw(place, weight.sizes()), db(place, {op.out_channels});
  const auto* xp = static_cast<const float*>(x.data());
  const auto* wp = static_cast<const float*>(weight.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    const auto run = place == Place::Device ? backward_on_device : ops::conv2d_backward;
    run(op, images, dyp, xp, wp, dx.data(), dw.data(), db.data());
  }
  return py::make_tuple(dx.object(), dw.object(), db.object());
}

}  // namespace

void bind_conv2d(py::module_& m) {
  m.def("conv2d", &conv2d, py::arg("x"), py::arg("weight"), py::arg("bias").none(true), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"));
  m.def("conv2d_backward", &conv2d_backward, py::arg("dy"), py::arg("x"), py::arg("weight"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"));
}

}  // namespace convlet::bindings
