// The structs by which libraries lend each other arrays: DLPack 1.0, the part that concerns arrays of plain numbers.
//
// Source: the C interface as published at https://dmlc.github.io/dlpack/latest/c_api.html, and the rules for Python's
// capsules at https://dmlc.github.io/dlpack/latest/python_spec.html. Layout and values are an ABI: change nothing here.
#pragma once

#include <cstdint>

namespace convlet::dlpack {

enum class DeviceType : std::int32_t { Cpu = 1, Cuda = 2, CudaHost = 3, CudaManaged = 13 };

struct Device {
  DeviceType type;
  std::int32_t id;
};

enum class TypeCode : std::uint8_t { Int = 0, Uint = 1, Float = 2, Bfloat = 4, Complex = 5, Bool = 6 };

struct DataType {
  TypeCode code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C order
  std::uint64_t byte_offset;
};

struct Version {
  std::uint32_t major, minor;
};

constexpr std::uint64_t kReadOnly = 1, kIsCopied = 2;  // bits of `flags`

// What a capsule "dltensor" holds.
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};

// What a capsule "dltensor_versioned" holds.
struct ManagedVersioned {
  Version version;
  void* context;
  void (*deleter)(ManagedVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};

template <class M>
struct Names;
template <>
struct Names<Managed> {
  static constexpr const char *fresh = "dltensor", *used = "used_dltensor";
};
template <>
struct Names<ManagedVersioned> {
  static constexpr const char *fresh = "dltensor_versioned", *used = "used_dltensor_versioned";
};

}  // namespace convlet::dlpack
