// Streams as numbers, the way libraries tell each other about them: 1 is the legacy default stream, 2 the default
// stream of each thread, any larger number a handle. Source: the array API standard, `__dlpack__`, and version 3 of
// `__cuda_array_interface__`, https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>

#include "cuda/device.h"

namespace convlet::bindings {

namespace py = pybind11;

// None for -1, "do not wait".
inline std::optional<cuda::Stream> stream_of(const char* op, const py::object& number) {
  if (!py::isinstance<py::int_>(number)) {
    throw py::type_error(std::string(op) + ": expected stream to be an integer or None, got " +
                         std::string(py::repr(number)));
  }
  if (number.equal(py::int_(-1))) return std::nullopt;
  if (number.equal(py::int_(0)) || number < py::int_(0)) {
    throw py::value_error(std::string(op) + ": expected stream -1, 1, 2 or a handle, got " +
                          std::string(py::str(number)));
  }
  return reinterpret_cast<cuda::Stream>(number.cast<std::uintptr_t>());
}

inline py::int_ own_stream() {
  const auto handle = reinterpret_cast<std::uintptr_t>(cuda::stream());
  return py::int_(handle == 0 ? 1 : handle);
}

}  // namespace convlet::bindings
