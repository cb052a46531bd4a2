// convlet._core: the list of what Python sees.
#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  using namespace convlet::bindings;
  m.attr("__version__") = CONVLET_VERSION;
  m.doc() = "convlet's compiled kernels, engine and threads";
  bind_device(m);
  bind_conv2d(m);
  bind_pool2d(m);
  bind_linear(m);
  bind_pointwise(m);
  bind_cross_entropy(m);
  bind_optimizer(m);
  bind_dropout(m);
  bind_engine(m);
  bind_sliding(m);
  bind_cuda_engine(m);
  bind_machine(m);
}
