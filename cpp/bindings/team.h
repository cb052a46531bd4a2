// A team of processes, from Python to the engines of every device.
#pragma once

#include <pybind11/stl.h>

#include <cstdint>
#include <exception>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/run.h"
#include "convlet/team.h"

namespace convlet::bindings {

// A team as Python knows it, an object with rank, size, exact, allreduce(numbers) and allgather(bytes, counts), which
// work on the engine's own memory. Keeps what they raise.
class PythonTeam {
 public:
  explicit PythonTeam(const py::object& object) : object_(object) {
    team_.rank = object.attr("rank").cast<std::int64_t>();
    team_.size = object.attr("size").cast<std::int64_t>();
    if (team_.size < 1) refuse(RunArguments::kOp, "a team of at least one process", std::to_string(team_.size));
    if (team_.rank < 0 || team_.rank >= team_.size) {
      refuse(RunArguments::kOp, "a rank in 0.." + std::to_string(team_.size - 1), std::to_string(team_.rank));
    }
    team_.combine = object.attr("exact").cast<bool>() ? Combine::Tiles : Combine::Sums;
    team_.sum = [this](float* numbers, std::int64_t count) {
      return call([&] { object_.attr("allreduce")(view(numbers, count)); });
    };
    team_.gather = [this](void* buffer, const std::vector<std::int64_t>& bytes) {
      const std::int64_t all = std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
      return call([&] { object_.attr("allgather")(view(static_cast<std::uint8_t*>(buffer), all), bytes); });
    };
  }
  PythonTeam(const PythonTeam&) = delete;
  PythonTeam& operator=(const PythonTeam&) = delete;

  const Team& team() const { return team_; }
  // An engine has failed between two sums, and the others wait for this process: says so to Python's team.
  void lose() const { py::setattr(object_, "lost", py::bool_(true)); }
  void rethrow() {
    if (raised_) std::rethrow_exception(std::exchange(raised_, nullptr));
  }

 private:
  template <class T>
  static py::array view(T* data, std::int64_t count) {
    return py::array_t<T>({count}, data, py::none());  // an owner that is None: no copy
  }

  template <class F>
  bool call(F&& f) {
    const Acquired acquired;
    try {
      f();
      return true;
    } catch (...) {
      raised_ = std::current_exception();
      return false;
    }
  }

  py::object object_;
  Team team_;
  std::exception_ptr raised_;
};

}  // namespace convlet::bindings
