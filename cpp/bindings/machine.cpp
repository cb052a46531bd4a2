// What machine this is, and which part of it is used.
#include <pybind11/stl.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "isa/dispatch.h"
#include "ops/peak.h"
#include "threads/pool.h"

namespace convlet::bindings {
namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* table : available_kernels()) names.emplace_back(table->name);
  return names;
}

void set_threads(std::int64_t threads) {
  if (threads < 1 || threads > 1024) refuse("set_threads", "threads in 1..1024", std::to_string(threads));
  Pool::shared().resize(static_cast<int>(threads));
}

double fma_peak(std::int64_t threads, double seconds) {
  if (threads < 1 || threads > 1024) refuse("fma_peak", "threads in 1..1024", std::to_string(threads));
  if (!(seconds > 0.0 && seconds <= 60.0)) refuse("fma_peak", "seconds over 0 and up to 60", std::to_string(seconds));
  const Released released;
  return ops::fma_peak(static_cast<int>(threads), seconds);
}

}  // namespace

void bind_machine(py::module_& m) {
  m.def("set_threads", &set_threads, py::arg("threads"));
  m.def("get_threads", [] { return Pool::shared().size(); });
  m.def("has_bf16", [] { return matrix_kernels() != nullptr; });
  // A number that stands for the threads and the instruction set in use.
  m.def("configuration", [] {
    const auto& all = available_kernels();
    const auto isa = std::find(all.begin(), all.end(), &kernels()) - all.begin();
    return Pool::shared().size() * static_cast<int>(all.size()) + static_cast<int>(isa);
  });
  m.def(
      "select_isa",
      [](const std::optional<std::string>& name) {
        return std::string((name ? select_kernels(*name) : select_best_kernels()).name);
      },
      py::arg("name").none(true));
  m.def("isa", [] { return std::string(kernels().name); });
  m.def("available_isas", &available_isas);
  m.def("cpu_name", &cpu_name);
  m.def("fma_peak", &fma_peak, py::arg("threads"), py::arg("seconds"));
}

}  // namespace convlet::bindings
