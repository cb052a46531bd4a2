// Arrays to and from other libraries by version 3 of __cuda_array_interface__.
// Source: https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html
#include "bindings/arrays.h"
#include "bindings/device_array.h"
#include "bindings/streams.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "from_cuda_array_interface";

ElementType type_of(const std::string& typestr) {
  const std::string type = typestr.size() > 1 && typestr[0] != '>' ? typestr.substr(1) : typestr;
  if (type == "f4") return ElementType::Float32;
  if (type == "i8") return ElementType::Int64;
  if (type == "u1") return ElementType::Uint8;
  throw py::type_error(std::string(kOp) + ": expected float32, int64 or uint8, got typestr '" + typestr + "'");
}

// The last array that refers to `x` may go in a thread without the interpreter.
std::shared_ptr<void> keep(const py::object& x) {
  return {x.inc_ref().ptr(), [](void* object) {
            if (!Py_IsInitialized()) return;
            const Acquired acquired;
            Py_DECREF(static_cast<PyObject*>(object));
          }};
}

py::object field(const py::dict& interface, const char* name) {
  return interface.contains(name) ? py::object(interface[name]) : py::none();
}

std::vector<std::int64_t> strides_of(const py::object& in_bytes, const std::vector<std::int64_t>& shape,
                                     ElementType type) {
  std::vector<std::int64_t> strides(shape.size());
  if (in_bytes.is_none()) {
    std::int64_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
    return strides;
  }
  const py::tuple given(in_bytes);
  if (given.size() != shape.size()) refuse(kOp, "a stride for each axis", std::string(py::repr(given)));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto stride = given[i].cast<std::int64_t>();
    if (shape[i] > 1 && stride % bytes_of(type) != 0) {
      refuse(kOp, "strides of whole numbers of elements", std::string(py::repr(given)));
    }
    strides[i] = stride / bytes_of(type);
  }
  return strides;
}

}  // namespace

DeviceArray from_cuda_array_interface(const py::object& x) {
  cuda::require(kOp);
  const std::string library = Py_TYPE(x.ptr())->tp_name;
  if (!py::hasattr(x, "__cuda_array_interface__")) {
    throw py::type_error(std::string(kOp) + ": expected an array with __cuda_array_interface__, got " + library);
  }
  const py::dict interface(x.attr("__cuda_array_interface__"));
  if (!field(interface, "mask").is_none()) {
    throw py::type_error(std::string(kOp) + ": expected an array without a mask, got a masked " + library);
  }
  const ElementType type = type_of(interface["typestr"].cast<std::string>());
  std::vector<std::int64_t> shape;
  for (const py::handle size : py::tuple(interface["shape"])) shape.push_back(size.cast<std::int64_t>());
  const std::vector<std::int64_t> strides = strides_of(field(interface, "strides"), shape, type);
  const py::tuple address(interface["data"]);
  auto* data = reinterpret_cast<void*>(address[0].cast<std::uintptr_t>());
  const Access access = address[1].cast<bool>() ? Access::ReadOnly : Access::Writable;
  if (data && !cuda::owns(data)) {
    throw py::type_error(std::string(kOp) + ": expected an array on " + device_name() + ", got " + library +
                         " in other memory");
  }
  const py::object stream = field(interface, "stream");
  if (!stream.is_none()) {
    if (const auto other = stream_of(kOp, stream)) cuda::wait_for(*other);
  }
  return in_c_order(kOp, DeviceMemory::borrow(data, access, keep(x)), type, std::move(shape), strides);
}

py::dict cuda_array_interface(const DeviceArray& array) {
  if (used_device().kind == cuda::Kind::Emulated) {
    throw py::attribute_error(
        "DeviceArray: the emulated device has no __cuda_array_interface__, its memory is the CPU's");
  }
  array.memory->lend();
  py::dict interface;
  interface["version"] = 3;
  interface["shape"] = py::tuple(py::cast(array.shape));
  interface["typestr"] = array.type == ElementType::Float32 ? "<f4" : array.type == ElementType::Int64 ? "<i8" : "|u1";
  interface["data"] =
      py::make_tuple(reinterpret_cast<std::uintptr_t>(array.data), array.memory->access() == Access::ReadOnly);
  interface["strides"] = py::none();
  interface["stream"] = own_stream();
  return interface;
}

}  // namespace convlet::bindings
