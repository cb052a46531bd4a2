// Arrays on the device as Python sees them.
#include "bindings/device_array.h"

#include <pybind11/stl.h>

#include <exception>
#include <numeric>

#include "bindings/arrays.h"
#include "bindings/bindings.h"

namespace convlet::bindings {
namespace {

std::atomic<std::int64_t> live_bytes{0};

py::dtype dtype_of(ElementType type) {
  if (type == ElementType::Float32) return py::dtype::of<float>();
  return type == ElementType::Int64 ? py::dtype::of<std::int64_t>() : py::dtype::of<std::uint8_t>();
}

py::tuple shape_tuple(const DeviceArray& a) { return py::tuple(py::cast(a.shape)); }

DeviceArray upload(const py::array& a) {
  constexpr const char* kOp = "cuda.array";
  cuda::require(kOp);
  const Operand host(a);
  ElementType type = ElementType::Float32;
  if (host.is_plain<std::int64_t>()) {
    type = ElementType::Int64;
  } else if (host.is_plain<std::uint8_t>()) {
    type = ElementType::Uint8;
  } else {
    check_type<float>(kOp, "x", host);
  }
  DeviceArray result = DeviceArray::make(type, host.sizes());
  const void* data = a.data();
  const Released released;
  if (result.bytes() > 0) cuda::upload(result.data, data, static_cast<std::size_t>(result.bytes()));
  return result;
}

py::array to_numpy(const DeviceArray& a) {
  cuda::require("DeviceArray.to_numpy");
  py::array result(dtype_of(a.type), std::vector<py::ssize_t>(a.shape.begin(), a.shape.end()));
  void* data = result.mutable_data();
  if (a.bytes() == 0) return result;
  const Released released;
  cuda::download(data, a.data, static_cast<std::size_t>(a.bytes()));
  return result;
}

// reshape(2, -1) and reshape((2, -1)).
DeviceArray reshape(const DeviceArray& a, const py::args& arguments) {
  constexpr const char* kOp = "DeviceArray.reshape";
  const bool one = arguments.size() == 1 && py::isinstance<py::sequence>(arguments[0]);
  const py::sequence given = one ? py::sequence(arguments[0]) : py::sequence(arguments);
  DeviceArray result = a;
  result.shape.clear();
  std::int64_t known = 1, unknown = -1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const py::object item = given[i];
    const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!index) {
      PyErr_Clear();
      throw py::type_error(std::string(kOp) + ": expected integers, got " + std::string(py::repr(item)));
    }
    const auto size = index.cast<std::int64_t>();
    if (size == -1 && unknown < 0) {
      unknown = static_cast<std::int64_t>(i);
    } else if (size < 0) {
      refuse(kOp, "sizes of at least 0, and at most one of -1", std::string(py::repr(given)));
    } else {
      known *= size;
    }
    result.shape.push_back(size);
  }
  if (unknown >= 0 && known > 0 && a.size() % known == 0) {
    result.shape[static_cast<std::size_t>(unknown)] = a.size() / known;
    known = a.size();
  } else if (unknown >= 0) {
    known = -1;
  }
  if (known != a.size()) refuse(kOp, "a shape of as many numbers as " + shape_text(a), std::string(py::repr(given)));
  return result;
}

// x[2], x[2:5]: a view of part of the first axis.
DeviceArray part(const DeviceArray& a, const py::object& index) {
  constexpr const char* kOp = "DeviceArray";
  if (a.shape.empty())
    throw py::type_error(std::string(kOp) + ": expected no index into an array of shape (), got " +
                         std::string(py::repr(index)));
  DeviceArray result = a;
  const std::int64_t rows = a.shape[0];
  py::ssize_t first = 0, stop = 0, step = 1;
  if (PySlice_Check(index.ptr())) {
    if (PySlice_Unpack(index.ptr(), &first, &stop, &step) != 0) throw py::error_already_set();
    if (step != 1) refuse(kOp, "a slice with step 1, whose rows lie together", std::string(py::repr(index)));
    result.shape[0] = PySlice_AdjustIndices(rows, &first, &stop, step);
  } else if (PyIndex_Check(index.ptr()) && !PyBool_Check(index.ptr())) {
    first = PyNumber_AsSsize_t(index.ptr(), PyExc_IndexError);
    if (first == -1 && PyErr_Occurred()) throw py::error_already_set();
    if (first < -rows || first >= rows) {
      throw py::index_error(std::string(kOp) + ": expected an index in " + std::to_string(-rows) + ".." +
                            std::to_string(rows - 1) + ", got " + std::to_string(first));
    }
    if (first < 0) first += rows;
    result.shape.erase(result.shape.begin());
  } else {
    throw py::type_error(std::string(kOp) + ": expected an integer or a slice of the first axis, got " +
                         std::string(py::repr(index)));
  }
  const std::int64_t row_bytes = rows > 0 ? a.bytes() / rows : 0;
  if (a.data) result.data = static_cast<char*>(a.data) + first * row_bytes;
  return result;
}

py::object item(const DeviceArray& a) {
  if (a.size() != 1) refuse("DeviceArray.item", "an array of one number", "shape " + shape_text(a));
  return to_numpy(a).attr("item")();
}

std::string repr(const DeviceArray& a) {
  return "DeviceArray(shape=" + shape_text(a) + ", dtype=" + text_of(a.type) + ", device='" + device_name() + "')";
}

[[noreturn]] void refuse_copy(const DeviceArray&, const py::args&, const py::kwargs&) {
  throw py::type_error(
      "DeviceArray: expected an explicit copy from the device into a NumPy array, by to_numpy(), got an implicit one");
}

// Whether the arrays of a call lie on the device; None is left out.
bool on_device(const std::string& op, const py::kwargs& arrays) {
  std::vector<std::pair<std::string, Operand>> given;
  for (const auto& [name, array] : arrays) {
    if (!array.is_none()) given.emplace_back(name.cast<std::string>(), array.cast<Operand>());
  }
  std::vector<Named> named;
  for (const auto& [name, array] : given) named.push_back({name.c_str(), &array});
  return place_of(op.c_str(), named.data(), named.data() + named.size()) == Place::Device;
}

py::dict info() {
  cuda::require("device_info");
  const cuda::DeviceInfo device = cuda::info();
  py::dict facts;
  facts["name"] = device.name;
  facts["emulated"] = device.kind == cuda::Kind::Emulated;
  facts["ordinal"] = device.ordinal;
  facts["bus_id"] = device.bus_id;
  facts["compute_capability"] = py::make_tuple(device.major, device.minor);
  facts["multiprocessors"] = device.multiprocessors;
  facts["driver_version"] = py::make_tuple(device.driver_version / 1000, device.driver_version % 1000 / 10);
  facts["runtime_version"] = py::make_tuple(device.runtime_version / 1000, device.runtime_version % 1000 / 10);
  facts["memory_bytes"] = device.memory_bytes;
  facts["shared_bytes"] = device.shared_bytes;
  facts["build_architectures"] = device.build_architectures;
  return facts;
}

void bind_array(py::module_& m) {
  py::class_<DeviceArray> array(m, "DeviceArray");
  array
      .def(py::init([]() -> DeviceArray {
        throw py::type_error(
            "DeviceArray: expected convlet.cuda.array, as_device or from_dlpack to make one, got a call");
      }))
      .def_property_readonly("shape", &shape_tuple)
      .def_property_readonly("dtype", [](const DeviceArray& a) { return dtype_of(a.type); })
      .def_property_readonly("ndim", [](const DeviceArray& a) { return a.shape.size(); })
      .def_property_readonly("size", &DeviceArray::size)
      .def_property_readonly("nbytes", &DeviceArray::bytes)
      .def_property_readonly("device", [](const DeviceArray&) { return device_name(); })
      .def_property_readonly("writable", [](const DeviceArray& a) { return a.memory->access() == Access::Writable; })
      .def_property_readonly("__cuda_array_interface__", &cuda_array_interface)
      .def("to_numpy", &to_numpy)
      .def("copy", &DeviceArray::copy)
      .def("reshape", &reshape)
      .def("item", &item)
      .def("__float__", [](const DeviceArray& a) { return py::float_(item(a)); })
      .def("__len__",
           [](const DeviceArray& a) {
             if (a.shape.empty()) throw py::type_error("DeviceArray: expected at least one axis for len(), got ()");
             return a.shape[0];
           })
      .def("__getitem__", &part, py::arg("index"))
      .def("__repr__", &repr)
      .def("__array__", &refuse_copy)
      .def("__dlpack__", &to_dlpack, py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
           py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__dlpack_device__", [](const DeviceArray&) { return dlpack_device(); });
  array.attr("__array_ufunc__") = py::none();  // NumPy's operators refuse it instead of making object arrays
}

}  // namespace

std::shared_ptr<DeviceMemory> DeviceMemory::allocate(std::int64_t bytes) {
  std::shared_ptr<DeviceMemory> memory(new DeviceMemory);
  if (bytes == 0) return memory;
  memory->owner_ = cuda::allocate(static_cast<std::size_t>(bytes));
  memory->data_ = memory->owner_.get();
  memory->bytes_ = bytes;
  live_bytes += bytes;
  return memory;
}

std::shared_ptr<DeviceMemory> DeviceMemory::borrow(void* data, Access access, std::shared_ptr<void> owner) {
  std::shared_ptr<DeviceMemory> memory(new DeviceMemory);
  memory->owner_ = std::move(owner);
  memory->data_ = data;
  memory->access_ = access;
  return memory;
}

void DeviceMemory::admit(const void* first, std::int64_t bytes) {
  admitted_ = cuda::admit(first, static_cast<std::size_t>(bytes));
}

DeviceMemory::~DeviceMemory() {
  live_bytes -= bytes_;
  const bool borrowed = bytes_ == 0 && owner_;
  if (!lent_ && !borrowed) return;
  std::optional<Released> released;  // others may need the interpreter before the device is done
  if (PyGILState_Check()) released.emplace();
  try {
    lent_ ? cuda::synchronize_device() : cuda::synchronize();
  } catch (const std::exception&) {
    // A device that cannot be waited for, in a forked child for instance, has no work to wait for.
  }
}

std::int64_t DeviceMemory::allocated_bytes() { return live_bytes; }

DeviceArray DeviceArray::make(ElementType type, std::vector<std::int64_t> shape) {
  DeviceArray array;
  array.type = type;
  array.shape = std::move(shape);
  array.memory = DeviceMemory::allocate(array.bytes());
  array.data = array.memory->data();
  return array;
}

DeviceArray DeviceArray::copy() const {
  cuda::require("DeviceArray.copy");
  DeviceArray result = make(type, shape);
  if (bytes() > 0) cuda::copy(result.data, data, static_cast<std::size_t>(bytes()));
  return result;
}

std::int64_t DeviceArray::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

const cuda::DeviceInfo& used_device() {
  static const cuda::DeviceInfo device = cuda::info();
  return device;
}

std::string device_name() {
  const cuda::DeviceInfo& device = used_device();
  return "cuda:" + std::to_string(device.ordinal) + (device.kind == cuda::Kind::Emulated ? " (emulated)" : "");
}

DeviceArray in_c_order(const char* op, std::shared_ptr<DeviceMemory> memory, ElementType type,
                       std::vector<std::int64_t> shape, const std::vector<std::int64_t>& strides) {
  DeviceArray lent{std::move(memory), nullptr, type, std::move(shape)};
  lent.data = lent.memory->data();
  if (lent.size() == 0) return DeviceArray::make(type, lent.shape);
  std::int64_t expected = 1, lowest = 0, highest = 0;
  bool contiguous = true;
  for (std::size_t i = lent.shape.size(); i-- > 0;) {
    contiguous = contiguous && (lent.shape[i] == 1 || strides[i] == expected);
    expected *= lent.shape[i];
    (strides[i] < 0 ? lowest : highest) += (lent.shape[i] - 1) * strides[i];
  }
  lent.memory->admit(static_cast<char*>(lent.data) + lowest * bytes_of(type), (highest - lowest + 1) * bytes_of(type));
  const bool aligned = reinterpret_cast<std::uintptr_t>(lent.data) % static_cast<std::size_t>(bytes_of(type)) == 0;
  if (contiguous && aligned) return lent;
  if (contiguous) return lent.copy();
  if (!aligned) refuse(op, "numbers at multiples of their size in memory", "an array in between");
  DeviceArray result = DeviceArray::make(type, lent.shape);
  cuda::gather_strided(result.data, lent.data, static_cast<std::size_t>(bytes_of(type)), lent.shape, strides);
  return result;
}

void bind_device(py::module_& m) {
  bind_array(m);
  m.def("to_device", &upload, py::arg("x"));
  m.def("from_dlpack", &from_dlpack, py::arg("x"));
  m.def("on_device", &on_device, py::arg("op"));
  m.def("from_cuda_array_interface", &from_cuda_array_interface, py::arg("x"));
  m.def("cuda_status", &cuda::status);
  m.def("cuda_info", &info);
  m.def("cuda_devices", &cuda::usable_devices);
  m.def("select_cuda_device", &cuda::select_device, py::arg("ordinal"));
  m.def("cuda_synchronize", [] {
    cuda::require("synchronize");
    const Released released;
    cuda::synchronize();
  });
  m.def("cuda_allocated_bytes", &DeviceMemory::allocated_bytes);
}

}  // namespace convlet::bindings
