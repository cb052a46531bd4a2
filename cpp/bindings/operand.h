// An argument that is an array: NumPy's or one on the device, seen in one way.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bindings/device_array.h"

namespace convlet::bindings {

enum class Place { Host, Device };

// A view, which lives no longer than the call that it is an argument of.
class Operand {
 public:
  Operand() = default;
  Operand(const py::array& a) : host_(a) {}  // NOLINT: a NumPy array is an operand
  Operand(const DeviceArray& a) : device_(&a) {}

  Place place() const { return device_ ? Place::Device : Place::Host; }
  const DeviceArray& on_device() const { return *device_; }

  std::int64_t ndim() const { return device_ ? static_cast<std::int64_t>(device_->shape.size()) : host_->ndim(); }
  std::int64_t shape(std::int64_t i) const {
    return device_ ? device_->shape[static_cast<std::size_t>(i)] : host_->shape(i);
  }
  std::vector<std::int64_t> sizes() const {
    return device_ ? device_->shape : std::vector<std::int64_t>(host_->shape(), host_->shape() + host_->ndim());
  }
  std::int64_t size() const { return device_ ? device_->size() : host_->size(); }

  std::string dtype() const { return device_ ? text_of(device_->type) : std::string(py::str(host_->dtype())); }
  bool in_c_order() const { return device_ || (host_->flags() & py::array::c_style); }
  bool writable() const { return device_ ? device_->memory->access() == Access::Writable : host_->writeable(); }

  // Numbers of this type in C order, each at an address that its type may have.
  template <class T>
  bool is_plain() const {
    if (device_) return std::string(text_of(device_->type)) == TypeName<T>::text;
    constexpr int kAligned = 0x0100;  // NPY_ARRAY_ALIGNED
    return py::isinstance<py::array_t<T>>(*host_) && in_c_order() && (host_->flags() & kAligned);
  }

  const void* data() const { return device_ ? device_->data : host_->data(); }
  void* mutable_data() { return device_ ? device_->data : host_->mutable_data(); }

 private:
  std::optional<py::array> host_;
  const DeviceArray* device_ = nullptr;
};

}  // namespace convlet::bindings

namespace pybind11::detail {

template <>
struct type_caster<convlet::bindings::Operand> {
  PYBIND11_TYPE_CASTER(convlet::bindings::Operand, const_name("numpy.ndarray | convlet._core.DeviceArray"));

  bool load(handle source, bool) {
    if (isinstance<array>(source)) {
      value = convlet::bindings::Operand(reinterpret_borrow<array>(source));
      return true;
    }
    if (!isinstance<convlet::bindings::DeviceArray>(source)) return false;
    value = convlet::bindings::Operand(source.cast<const convlet::bindings::DeviceArray&>());
    return true;
  }
};

}  // namespace pybind11::detail
