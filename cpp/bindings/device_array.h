// Arrays on the device, always in C order: memory of convlet's own, or memory that another library lends.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"

namespace convlet::bindings {

namespace py = pybind11;

enum class ElementType { Float32, Int64, Uint8 };

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

inline const char* text_of(ElementType type) {
  return type == ElementType::Float32 ? "float32" : type == ElementType::Int64 ? "int64" : "uint8";
}
inline std::int64_t bytes_of(ElementType type) {
  return type == ElementType::Float32 ? 4 : type == ElementType::Int64 ? 8 : 1;
}

enum class Access { Writable, ReadOnly };

// Memory that arrays and other libraries share; it goes when the last of them does.
class DeviceMemory {
 public:
  static std::shared_ptr<DeviceMemory> allocate(std::int64_t bytes);
  // Memory of another library; `owner` is let go once our stream has done all that was queued before.
  static std::shared_ptr<DeviceMemory> borrow(void* data, Access access, std::shared_ptr<void> owner);
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  void* data() const { return data_; }
  Access access() const { return access_; }
  // The bytes from `first` on belong to it, which the emulated device wants to know of borrowed memory.
  void admit(const void* first, std::int64_t bytes);
  // From now on others may use it on streams of their own, so that to free it is to wait for all of the device.
  void lend() { lent_ = true; }

  // Of all memory that was allocated here and is still held.
  static std::int64_t allocated_bytes();

 private:
  DeviceMemory() = default;

  std::shared_ptr<void> owner_, admitted_;
  void* data_ = nullptr;
  Access access_ = Access::Writable;
  std::atomic<bool> lent_{false};
  std::int64_t bytes_ = 0;  // allocated here
};

struct DeviceArray {
  std::shared_ptr<DeviceMemory> memory;
  void* data = nullptr;
  ElementType type = ElementType::Float32;
  std::vector<std::int64_t> shape;

  // New and uninitialised.
  static DeviceArray make(ElementType type, std::vector<std::int64_t> shape);

  DeviceArray copy() const;

  std::int64_t size() const;
  std::int64_t bytes() const { return size() * bytes_of(type); }
};

// Floats that an op needs while it works; given back in the order of the stream.
class DeviceScratch {
 public:
  explicit DeviceScratch(std::int64_t floats)
      : memory_(floats > 0 ? cuda::allocate(static_cast<std::size_t>(floats) * sizeof(float)) : nullptr) {}
  float* data() const { return static_cast<float*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

// The device in use; asked once, since CUDA takes its time to tell.
const cuda::DeviceInfo& used_device();
// "cuda:0"; the emulated device says that it is none.
std::string device_name();

// An array of another library on the device, without a copy if it is in C order.
DeviceArray from_dlpack(const py::object& x);
DeviceArray from_cuda_array_interface(const py::object& x);

// What the protocols ask of an array that other libraries want to use.
py::object to_dlpack(const DeviceArray& array, const py::object& stream, const py::object& max_version,
                     const py::object& dl_device, const py::object& copy);
py::tuple dlpack_device();
py::dict cuda_array_interface(const DeviceArray& array);

// Strided memory that another library lends, as an array in C order: itself, or a copy. Strides are in elements.
DeviceArray in_c_order(const char* op, std::shared_ptr<DeviceMemory> memory, ElementType type,
                       std::vector<std::int64_t> shape, const std::vector<std::int64_t>& strides);

}  // namespace convlet::bindings
