// Arrays to and from other libraries by DLPack.
//
// Streams as the array API standard has them: the consumer names the stream that it will use, and the producer makes
// this stream wait for what it has queued. The emulated device is the CPU to others, and has no stream.
#include "bindings/dlpack.h"

#include <memory>

#include "bindings/arrays.h"
#include "bindings/device_array.h"
#include "bindings/streams.h"

namespace convlet::bindings {
namespace {

using dlpack::DeviceType;
using dlpack::TypeCode;

constexpr const char* kFrom = "from_dlpack";
constexpr const char* kTo = "DeviceArray.__dlpack__";

bool emulated() { return used_device().kind == cuda::Kind::Emulated; }

dlpack::Device own_device() {
  if (emulated()) return {DeviceType::Cpu, 0};
  return {DeviceType::Cuda, used_device().ordinal};
}

bool same(const dlpack::Device& a, const dlpack::Device& b) { return a.type == b.type && a.id == b.id; }

std::string text_of(const dlpack::Device& d) {
  switch (d.type) {
    case DeviceType::Cpu:
      return "the CPU";
    case DeviceType::Cuda:
    case DeviceType::CudaManaged:
      return "cuda:" + std::to_string(d.id);
    default:
      return "device (" + std::to_string(static_cast<int>(d.type)) + ", " + std::to_string(d.id) + ")";
  }
}

dlpack::Device device_of(const char* op, const py::object& pair) {
  try {
    const auto numbers = py::tuple(pair);
    if (numbers.size() == 2) {
      return {static_cast<DeviceType>(py::int_(numbers[0]).cast<std::int32_t>()), numbers[1].cast<std::int32_t>()};
    }
  } catch (const std::exception&) {
  }
  throw py::type_error(std::string(op) + ": expected a device as (type, number), got " + std::string(py::repr(pair)));
}

// ---- lending ----

template <class M>
struct Lent {
  M managed;
  std::shared_ptr<void> memory;
  std::vector<std::int64_t> shape, strides;
};

template <class M>
void let_go(M* managed) {
  delete static_cast<Lent<M>*>(managed->context);
}

// A capsule that nobody has used gives its array back itself.
template <class M>
void drop_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, dlpack::Names<M>::fresh)) return;
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, dlpack::Names<M>::fresh));
  managed->deleter(managed);
}

struct Lending {
  std::shared_ptr<void> memory;
  void* data;
  ElementType type;
  std::vector<std::int64_t> shape;
  dlpack::Device device;
  std::uint64_t flags;
};

template <class M>
py::object capsule_of(const Lending& lending) {
  auto lent = std::make_unique<Lent<M>>();
  lent->memory = lending.memory;
  lent->shape = lending.shape;
  lent->strides.resize(lent->shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = lent->shape.size(); i-- > 0; stride *= lent->shape[i]) lent->strides[i] = stride;
  const TypeCode code = lending.type == ElementType::Float32 ? TypeCode::Float
                        : lending.type == ElementType::Int64 ? TypeCode::Int
                                                             : TypeCode::Uint;
  lent->managed.tensor = {lending.data,
                          lending.device,
                          static_cast<std::int32_t>(lent->shape.size()),
                          {code, static_cast<std::uint8_t>(8 * bytes_of(lending.type)), 1},
                          lent->shape.data(),
                          lent->strides.data(),
                          0};
  lent->managed.context = lent.get();
  lent->managed.deleter = let_go<M>;
  if constexpr (std::is_same_v<M, dlpack::ManagedVersioned>) {
    lent->managed.version = {1, 0};
    lent->managed.flags = lending.flags;
  }
  PyObject* capsule = PyCapsule_New(&lent->managed, dlpack::Names<M>::fresh, drop_capsule<M>);
  if (!capsule) throw py::error_already_set();
  lent.release();  // the capsule's now
  return py::reinterpret_steal<py::object>(capsule);
}

bool takes_versions(const py::object& max_version) {
  if (max_version.is_none()) return false;
  if (!py::isinstance<py::tuple>(max_version) || py::len(max_version) != 2) {
    throw py::type_error(std::string(kTo) + ": expected max_version as (major, minor), got " +
                         std::string(py::repr(max_version)));
  }
  return py::tuple(max_version)[0].cast<std::int64_t>() >= 1;
}

Lending on_host(const DeviceArray& array) {
  const auto bytes = static_cast<std::size_t>(array.bytes());
  std::shared_ptr<void> memory(::operator new(bytes), [](void* p) { ::operator delete(p); });
  if (bytes > 0) cuda::download(memory.get(), array.data, bytes);
  return {memory, memory.get(), array.type, array.shape, {DeviceType::Cpu, 0}, dlpack::kIsCopied};
}

Lending on_device(const DeviceArray& array, std::uint64_t flags) {
  array.memory->lend();
  if (array.memory->access() == Access::ReadOnly) flags |= dlpack::kReadOnly;
  return {array.memory, array.data, array.type, array.shape, own_device(), flags};
}

Lending lend(const DeviceArray& array, const py::object& stream, const py::object& dl_device, const py::object& copy) {
  if (!copy.is_none() && !py::isinstance<py::bool_>(copy)) {
    throw py::type_error(std::string(kTo) + ": expected copy to be True, False or None, got " +
                         std::string(py::repr(copy)));
  }
  const dlpack::Device wanted = dl_device.is_none() ? own_device() : device_of(kTo, dl_device);
  if (same(wanted, own_device())) {
    Lending lending = copy.is(py::bool_(true)) ? on_device(array.copy(), dlpack::kIsCopied) : on_device(array, 0);
    if (emulated()) {
      if (!stream.is_none()) refuse(kTo, "stream None for memory of the CPU", std::string(py::repr(stream)));
      cuda::synchronize();
    } else if (const auto other = stream_of(kTo, stream.is_none() ? py::int_(1) : stream)) {
      cuda::make_wait(*other);
    }
    return lending;
  }
  if (!same(wanted, {DeviceType::Cpu, 0}) || copy.is(py::bool_(false))) {
    throw py::buffer_error(std::string(kTo) + ": expected a device that holds the array, " + text_of(own_device()) +
                           ", or the CPU for a copy, got " + text_of(wanted) +
                           (copy.is(py::bool_(false)) ? " with copy=False" : ""));
  }
  return on_host(array);
}

// ---- borrowing ----

py::object ask(const py::object& x) {
  py::dict arguments;
  if (!emulated()) arguments["stream"] = own_stream();
  py::dict versioned = arguments.attr("copy")();
  versioned["max_version"] = py::make_tuple(1, 0);
  try {
    return x.attr("__dlpack__")(**versioned);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    return x.attr("__dlpack__")(**arguments);  // a producer of the time before versions
  }
}

void check_device(const char* library, const dlpack::Device& device) {
  const dlpack::Device own = own_device();
  const bool managed = own.type == DeviceType::Cuda && device.type == DeviceType::CudaManaged;
  if (same(device, own) || managed) return;
  throw py::type_error(std::string(kFrom) + ": expected an array on " + text_of(own) + ", got " + library + " on " +
                       text_of(device));
}

ElementType type_of(const dlpack::DataType& type) {
  if (type.lanes == 1) {
    if (type.code == TypeCode::Float && type.bits == 32) return ElementType::Float32;
    if (type.code == TypeCode::Int && type.bits == 64) return ElementType::Int64;
    if (type.code == TypeCode::Uint && type.bits == 8) return ElementType::Uint8;
  }
  static constexpr const char* kNames[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
  const auto code = static_cast<std::size_t>(type.code);
  const std::string name = code < std::size(kNames) ? kNames[code] : "type " + std::to_string(code) + " of ";
  throw py::type_error(std::string(kFrom) + ": expected float32, int64 or uint8, got " + name +
                       (type.code == TypeCode::Bool ? "" : std::to_string(type.bits)) +
                       (type.lanes == 1 ? "" : " in vectors of " + std::to_string(type.lanes)));
}

// Nothing is taken before all is checked: a capsule that is refused gives its array back itself.
template <class M>
DeviceArray take(const char* library, const py::object& capsule) {
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule.ptr(), dlpack::Names<M>::fresh));
  Access access = Access::Writable;
  if constexpr (std::is_same_v<M, dlpack::ManagedVersioned>) {
    if (managed->version.major > 1) {
      throw py::buffer_error(std::string(kFrom) + ": expected DLPack version 1, got " +
                             std::to_string(managed->version.major));
    }
    if (managed->flags & dlpack::kReadOnly) access = Access::ReadOnly;
  }
  const dlpack::Tensor& tensor = managed->tensor;
  check_device(library, tensor.device);
  const ElementType type = type_of(tensor.dtype);
  std::vector<std::int64_t> shape(tensor.shape, tensor.shape + tensor.ndim), strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    strides[i] = tensor.strides ? tensor.strides[i] : stride;
  }
  void* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (PyCapsule_SetName(capsule.ptr(), dlpack::Names<M>::used) != 0) throw py::error_already_set();
  std::shared_ptr<void> owner(managed, [](M* m) {
    if (m->deleter) m->deleter(m);
  });
  return in_c_order(kFrom, DeviceMemory::borrow(data, access, std::move(owner)), type, std::move(shape), strides);
}

}  // namespace

py::object to_dlpack(const DeviceArray& array, const py::object& stream, const py::object& max_version,
                     const py::object& dl_device, const py::object& copy) {
  cuda::require(kTo);
  const bool versioned = takes_versions(max_version);
  const Lending lending = lend(array, stream, dl_device, copy);
  if (versioned) return capsule_of<dlpack::ManagedVersioned>(lending);
  if (lending.flags & dlpack::kReadOnly) {
    throw py::buffer_error(std::string(kTo) + ": expected max_version of at least (1, 0) for a read-only array, got " +
                           std::string(py::repr(max_version)));
  }
  return capsule_of<dlpack::Managed>(lending);
}

py::tuple dlpack_device() {
  const dlpack::Device device = own_device();
  return py::make_tuple(static_cast<int>(device.type), device.id);
}

DeviceArray from_dlpack(const py::object& x) {
  cuda::require(kFrom);
  if (py::isinstance<DeviceArray>(x)) return x.cast<DeviceArray>();
  const std::string library = Py_TYPE(x.ptr())->tp_name;
  if (!py::hasattr(x, "__dlpack__") || !py::hasattr(x, "__dlpack_device__")) {
    throw py::type_error(std::string(kFrom) + ": expected an array with __dlpack__ and __dlpack_device__, got " +
                         library);
  }
  check_device(library.c_str(), device_of(kFrom, x.attr("__dlpack_device__")()));
  const py::object capsule = ask(x);
  if (PyCapsule_IsValid(capsule.ptr(), dlpack::Names<dlpack::ManagedVersioned>::fresh)) {
    return take<dlpack::ManagedVersioned>(library.c_str(), capsule);
  }
  if (PyCapsule_IsValid(capsule.ptr(), dlpack::Names<dlpack::Managed>::fresh)) {
    return take<dlpack::Managed>(library.c_str(), capsule);
  }
  throw py::type_error(std::string(kFrom) + ": expected " + library +
                       ".__dlpack__ to give an unused capsule 'dltensor' or 'dltensor_versioned', got " +
                       std::string(py::repr(capsule)));
}

}  // namespace convlet::bindings
