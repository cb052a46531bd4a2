// The border: arrays to pointers and shapes, in the order type, rank, shape; one voice for what is refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/gil.h"
#include "bindings/operand.h"
#include "convlet/shapes.h"
#include "cuda/device.h"

namespace convlet::bindings {

namespace py = pybind11;

inline std::string text(const std::vector<std::string>& sizes) {
  std::string all = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) all += (i ? ", " : "") + sizes[i];
  return all + (sizes.size() == 1 ? ",)" : ")");
}

inline std::string shape_text(const Operand& a) {
  std::vector<std::string> sizes;
  for (std::int64_t i = 0; i < a.ndim(); ++i) sizes.push_back(std::to_string(a.shape(i)));
  return text(sizes);
}

[[noreturn]] inline void refuse(const std::string& op, const std::string& expected, const std::string& got) {
  throw py::value_error(op + ": expected " + expected + ", got " + got);
}

template <class T>
void check_type(const char* op, const char* name, const Operand& a) {
  if (a.is_plain<T>()) return;
  throw py::type_error(std::string(op) + ": expected " + name + " as a C-contiguous array of " + TypeName<T>::text +
                       ", got " + a.dtype() + (a.in_c_order() ? "" : " in another layout"));
}

// The data of an array of this type; `letters` name its axes in messages, e.g. {"N", "C", "H", "W"}.
template <class T = float>
const T* read(const char* op, const char* name, const Operand& a, const std::vector<std::string>& letters) {
  check_type<T>(op, name, a);
  if (a.ndim() != static_cast<std::int64_t>(letters.size())) {
    refuse(op, std::string(name) + " of shape " + text(letters), shape_text(a));
  }
  return static_cast<const T*>(a.data());
}

template <class T = float>
const T* read(const char* op, const char* name, const Operand& a) {
  check_type<T>(op, name, a);
  return static_cast<const T*>(a.data());
}

// As read, for an array that must have exactly this shape.
inline void check_shape(const char* op, const char* name, const Operand& a, const std::vector<std::int64_t>& shape,
                        const std::string& why = "") {
  bool same = a.ndim() == static_cast<std::int64_t>(shape.size());
  for (std::size_t i = 0; same && i < shape.size(); ++i) same = a.shape(static_cast<std::int64_t>(i)) == shape[i];
  if (same) return;
  std::vector<std::string> sizes;
  for (const std::int64_t n : shape) sizes.push_back(std::to_string(n));
  refuse(op, std::string(name) + " of shape " + text(sizes) + why, shape_text(a));
}

template <class T = float>
T* write(const char* op, const char* name, Operand a) {
  check_type<T>(op, name, a);
  if (!a.writable())
    throw py::value_error(std::string(op) + ": expected a writable array for " + name + ", got a read-only one");
  return static_cast<T*>(a.mutable_data());
}

// An argument's name and itself; null where it was left out.
struct Named {
  const char* name;
  const Operand* array;
};

// Where the arrays of a call lie, all of them at one place.
inline Place place_of(const char* op, const Named* begin, const Named* end) {
  const Named& first = *begin;
  const Named* other =
      std::find_if(begin, end, [&](const Named& a) { return a.array && a.array->place() != first.array->place(); });
  if (other != end) {
    const auto where = [](const Named& a) {
      return std::string(a.name) + " on " + (a.array->place() == Place::Host ? "the CPU" : device_name());
    };
    throw py::type_error(std::string(op) + ": expected all arrays on one device, got " + where(first) + " and " +
                         where(*other));
  }
  if (first.array->place() == Place::Device) cuda::require(op);
  return first.array->place();
}

inline Place place_of(const char* op, std::initializer_list<Named> arrays) {
  return place_of(op, arrays.begin(), arrays.end());
}

template <class T = float>
py::array_t<T> make(const std::vector<std::int64_t>& shape) {
  return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

template <class T>
constexpr ElementType element_type() {
  if constexpr (std::is_same_v<T, float>) return ElementType::Float32;
  if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::Int64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return ElementType::Uint8;
}

// A new array for a result, where the arguments lie.
template <class T = float>
class Result {
 public:
  Result(Place place, const std::vector<std::int64_t>& shape) {
    if (place == Place::Device) {
      DeviceArray array = DeviceArray::make(element_type<T>(), shape);
      data_ = static_cast<T*>(array.data);
      object_ = py::cast(std::move(array));
    } else {
      py::array_t<T> array = make<T>(shape);
      data_ = array.mutable_data();
      object_ = std::move(array);
    }
  }

  T* data() const { return data_; }
  const py::object& object() const { return object_; }

 private:
  T* data_;
  py::object object_;
};

using Two = std::pair<std::int64_t, std::int64_t>;
using Four = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

inline Pair pair_of(const Two& two) { return {two.first, two.second}; }
inline Padding padding_of(const Four& p) { return {std::get<0>(p), std::get<1>(p), std::get<2>(p), std::get<3>(p)}; }

}  // namespace convlet::bindings
