#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

Pool2d shape_of(const char* op_name, const Operand& x, const Two& kernel, const Two& stride, const Four& padding,
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

Pool2d average_of(const Operand& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                  bool ceil_mode, bool count_include_pad, std::int64_t divisor_override) {
  Pool2d op = shape_of("avg_pool2d", x, kernel, stride, padding, dilation, ceil_mode);
  op.count = count_include_pad ? AverageDivisor::Window : AverageDivisor::Pixels;
  op.divisor = divisor_override;
  check(op, "avg_pool2d");
  return op;
}

const float* read_slope(const char* name, const Operand& dy, const Operand& x, const Image& out) {
  const float* data = read(name, "dy", dy);
  check_shape(name, "dy", dy, {x.shape(0), out.channels, out.height, out.width}, " (the output of the forward pass)");
  return data;
}

py::tuple max_pool2d(const Operand& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                     bool ceil_mode) {
  const Place place = place_of("max_pool2d", {{"x", &x}});
  const Pool2d op = shape_of("max_pool2d", x, kernel, stride, padding, dilation, ceil_mode);
  check(op, "max_pool2d");
  const Image out = op.out();
  const std::vector<std::int64_t> shape{x.shape(0), out.channels, out.height, out.width};
  const Result<> y(place, shape);
  const Result<std::int64_t> indices(place, shape);
  const auto* xp = static_cast<const float*>(x.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::max_pool2d(cuda::stream(), op, images, xp, y.data(), indices.data());
    } else {
      ops::max_pool2d(op, images, xp, y.data(), indices.data());
    }
  }
  return py::make_tuple(y.object(), indices.object());
}

// The device finds the winners again, since its backward pass goes by them.
void max_backward_on_device(const Pool2d& op, std::int64_t images, const float* dy, const float* x, float* dx) {
  const std::int64_t outputs = images * op.out().size();
  const DeviceScratch y(outputs), winners(2 * outputs);
  auto* indices = reinterpret_cast<std::int64_t*>(winners.data());
  cuda::max_pool2d(cuda::stream(), op, images, x, y.data(), indices);
  cuda::max_pool2d_backward(cuda::stream(), op, images, dy, indices, dx);
}

py::object max_pool2d_backward(const Operand& dy, const Operand& x, const Two& kernel, const Two& stride,
                               const Four& padding, const Two& dilation, bool ceil_mode) {
  const Place place = place_of("max_pool2d_backward", {{"dy", &dy}, {"x", &x}});
  const Pool2d op = shape_of("max_pool2d_backward", x, kernel, stride, padding, dilation, ceil_mode);
  check(op, "max_pool2d_backward");
  const float* dyp = read_slope("max_pool2d_backward", dy, x, op.out());
  const Result<> dx(place, x.sizes());
  const auto* xp = static_cast<const float*>(x.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    const auto run = place == Place::Device ? max_backward_on_device : ops::max_pool2d_backward;
    run(op, images, dyp, xp, dx.data());
  }
  return dx.object();
}

py::object avg_pool2d(const Operand& x, const Two& kernel, const Two& stride, const Four& padding, const Two& dilation,
                      bool ceil_mode, bool count_include_pad, std::int64_t divisor_override) {
  const Place place = place_of("avg_pool2d", {{"x", &x}});
  const Pool2d op = average_of(x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override);
  const Image out = op.out();
  const Result<> y(place, {x.shape(0), out.channels, out.height, out.width});
  const auto* xp = static_cast<const float*>(x.data());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::avg_pool2d(cuda::stream(), op, images, xp, y.data());
    } else {
      ops::avg_pool2d(op, images, xp, y.data());
    }
  }
  return y.object();
}

py::object avg_pool2d_backward(const Operand& dy, const Operand& x, const Two& kernel, const Two& stride,
                               const Four& padding, const Two& dilation, bool ceil_mode, bool count_include_pad,
                               std::int64_t divisor_override) {
  const Place place = place_of("avg_pool2d_backward", {{"dy", &dy}, {"x", &x}});
  const Pool2d op = average_of(x, kernel, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override);
  const float* dyp = read_slope("avg_pool2d_backward", dy, x, op.out());
  const Result<> dx(place, x.sizes());
  const std::int64_t images = x.shape(0);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::avg_pool2d_backward(cuda::stream(), op, images, dyp, dx.data());
    } else {
      ops::avg_pool2d_backward(op, images, dyp, dx.data());
    }
  }
  return dx.object();
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
