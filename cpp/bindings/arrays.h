// The border: NumPy arrays to pointers and shapes, in the order type, rank, shape; one voice for what is refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bindings/gil.h"
#include "convlet/shapes.h"

namespace convlet::bindings {

namespace py = pybind11;

inline std::string text(const std::vector<std::string>& sizes) {
  std::string all = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) all += (i ? ", " : "") + sizes[i];
  return all + (sizes.size() == 1 ? ",)" : ")");
}

inline std::string shape_text(const py::array& a) {
  std::vector<std::string> sizes;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) sizes.push_back(std::to_string(a.shape(i)));
  return text(sizes);
}

[[noreturn]] inline void refuse(const std::string& op, const std::string& expected, const std::string& got) {
  throw py::value_error(op + ": expected " + expected + ", got " + got);
}

template <class T>
struct TypeName;
template <>
struct TypeName<float> {
  static constexpr const char* text = "float32";
};
template <>
struct TypeName<double> {
  static constexpr const char* text = "float64";
};
template <>
struct TypeName<std::int64_t> {
  static constexpr const char* text = "int64";
};
template <>
struct TypeName<std::uint8_t> {
  static constexpr const char* text = "uint8";
};

template <class T>
bool is_plain(const py::array& a) {
  constexpr int kAligned = 0x0100;  // NPY_ARRAY_ALIGNED
  return py::isinstance<py::array_t<T>>(a) && (a.flags() & py::array::c_style) && (a.flags() & kAligned);
}

template <class T>
void check_type(const char* op, const char* name, const py::array& a) {
  if (is_plain<T>(a)) return;
  throw py::type_error(std::string(op) + ": expected " + name + " as a C-contiguous array of " + TypeName<T>::text +
                       ", got " + std::string(py::str(a.dtype())) +
                       (a.flags() & py::array::c_style ? "" : " in another layout"));
}

// The data of an array of this type; `letters` name its axes in messages, e.g. {"N", "C", "H", "W"}.
template <class T = float>
const T* read(const char* op, const char* name, const py::array& a, const std::vector<std::string>& letters) {
  check_type<T>(op, name, a);
  if (a.ndim() != static_cast<py::ssize_t>(letters.size())) {
    refuse(op, std::string(name) + " of shape " + text(letters), shape_text(a));
  }
  return static_cast<const T*>(a.data());
}

template <class T = float>
const T* read(const char* op, const char* name, const py::array& a) {
  check_type<T>(op, name, a);
  return static_cast<const T*>(a.data());
}

// As read, for an array that must have exactly this shape.
inline void check_shape(const char* op, const char* name, const py::array& a, const std::vector<std::int64_t>& shape,
                        const std::string& why = "") {
  bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
  for (std::size_t i = 0; same && i < shape.size(); ++i) same = a.shape(static_cast<py::ssize_t>(i)) == shape[i];
  if (same) return;
  std::vector<std::string> sizes;
  for (const std::int64_t n : shape) sizes.push_back(std::to_string(n));
  refuse(op, std::string(name) + " of shape " + text(sizes) + why, shape_text(a));
}

template <class T = float>
T* write(const char* op, const char* name, py::array& a) {
  check_type<T>(op, name, a);
  if (!a.writeable())
    throw py::value_error(std::string(op) + ": expected a writable array for " + name + ", got a read-only one");
  return static_cast<T*>(a.mutable_data());
}

template <class T = float>
py::array_t<T> make(const std::vector<std::int64_t>& shape) {
  return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

inline std::vector<std::int64_t> sizes_of(const py::array& a) { return {a.shape(), a.shape() + a.ndim()}; }

using Two = std::pair<std::int64_t, std::int64_t>;
using Four = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

inline Pair pair_of(const Two& two) { return {two.first, two.second}; }
inline Padding padding_of(const Four& p) { return {std::get<0>(p), std::get<1>(p), std::get<2>(p), std::get<3>(p)}; }

}  // namespace convlet::bindings
