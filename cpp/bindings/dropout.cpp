// Dropout and normalization.
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

py::object dropout(const Operand& x, double p, std::uint64_t seed, std::int64_t step, std::int64_t layer) {
  const Place place = place_of("dropout", {{"x", &x}});
  const float* xp = read("dropout", "x", x);
  const Result<> y(place, x.sizes());
  const std::int64_t images = x.ndim() ? x.shape(0) : 1, size = images > 0 ? x.size() / images : 0;
  const Dropout op = dropout_of(p, layer);
  const Draw draw{seed, step};
  {
    const Released released;
    if (place == Place::Device) {
      cuda::dropout(cuda::stream(), op, draw, images, size, xp, y.data());
    } else {
      ops::dropout(op, draw, images, size, xp, y.data());
    }
  }
  return y.object();
}

py::object normalize(const Operand& x, const py::array& mean, const py::array& std) {
  const char* name = "normalize";
  const Place place = place_of(name, {{"x", &x}});
  const float* xp = read(name, "x", x, {"N", "C", "H", "W"});
  const float *m = read(name, "mean", mean), *s = read(name, "std", std);
  check_shape(name, "mean", mean, {x.shape(1)}, ", one for each channel of x");
  check_shape(name, "std", std, {x.shape(1)}, ", one for each channel of x");
  const Result<> y(place, x.sizes());
  const std::int64_t images = x.shape(0), channels = x.shape(1), plane = x.shape(2) * x.shape(3);
  {
    const Released released;
    if (place == Place::Device) {
      cuda::normalize(cuda::stream(), images, channels, plane, m, s, xp, y.data());
    } else {
      ops::normalize(images, channels, plane, m, s, xp, y.data());
    }
  }
  return y.object();
}

}  // namespace

void bind_dropout(py::module_& m) {
  m.def("dropout", &dropout, py::arg("x"), py::arg("p"), py::arg("seed"), py::arg("step"), py::arg("layer"));
  m.def("normalize", &normalize, py::arg("x"), py::arg("mean"), py::arg("std"));
}

}  // namespace convlet::bindings
