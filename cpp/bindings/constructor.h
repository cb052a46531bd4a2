// A constructor for Python that fails with MemoryError where memory is short.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

namespace convlet::bindings {

// As py::init(make), which registers the new object where nothing catches an error any more: in a try, and before.
template <class T, class... Args, class... Extra>
void def_constructor(pybind11::class_<T>& python_class, std::unique_ptr<T> (*make)(Args...), const Extra&... extra) {
  namespace py = pybind11;
  const auto construct = [make](py::detail::value_and_holder& self, Args... args) {
    std::unique_ptr<T> made = make(args...);
    py::detail::register_instance(self.inst, made.get(), self.type);
    self.set_instance_registered();
    self.value_ptr() = made.release();
  };
  python_class.def("__init__", construct, py::detail::is_new_style_constructor(), extra...);
}

}  // namespace convlet::bindings
