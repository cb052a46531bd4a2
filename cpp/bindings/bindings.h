// One function for each noun; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace convlet::bindings {

void bind_conv2d(py::module_& m);
void bind_pool2d(py::module_& m);
void bind_linear(py::module_& m);
void bind_pointwise(py::module_& m);
void bind_cross_entropy(py::module_& m);
void bind_optimizer(py::module_& m);
void bind_dropout(py::module_& m);
void bind_engine(py::module_& m);
void bind_sliding(py::module_& m);
void bind_cuda_engine(py::module_& m);
void bind_device(py::module_& m);
void bind_machine(py::module_& m);

}  // namespace convlet::bindings
