// Plan and Engine.
#include "engine/engine.h"

#include <pybind11/stl.h>

#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/layers.h"
#include "bindings/loss.h"
#include "engine/describe.h"
#include "isa/dispatch.h"
#include "threads/pool.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "engine";

py::tuple shape_tuple(const Shape& shape) {
  const Image& i = shape.image;
  if (shape.flat) return py::make_tuple(i.channels);
  return py::make_tuple(i.channels, i.height, i.width);
}

py::list stage_list(const Plan& plan) {
  py::list stages;
  for (const Stage& stage : plan.stages) {
    py::dict row;
    row["kind"] = name_of(stage.layer.kind);
    row["input_shape"] = shape_tuple(stage.in);
    row["output_shape"] = shape_tuple(stage.out);
    row["parameters"] = stage.parameters();
    row["multiply_adds"] = stage.multiply_adds;
    stages.append(row);
  }
  return stages;
}

// Checks signals, and calls `progress` between steps; keeps what either raised until the engine has come to rest.
class PythonWatch {
 public:
  explicit PythonWatch(py::object progress = py::none()) : progress_(std::move(progress)) {}

  Watch watch(std::function<void()> publish = nullptr) {
    return [this, publish](At at) {
      const Acquired acquired;
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (at == At::Step) {
          if (publish) publish();
          const auto now = std::chrono::steady_clock::now();
          if (!progress_.is_none() && now - called_ >= std::chrono::milliseconds(40)) {
            called_ = now;
            progress_();
          }
        }
        return false;
      } catch (...) {
        raised_ = std::current_exception();
        return true;
      }
    };
  }

  void rethrow() {
    if (raised_) std::rethrow_exception(std::exchange(raised_, nullptr));
  }

 private:
  py::object progress_;
  std::exception_ptr raised_;
  std::chrono::steady_clock::time_point called_ = std::chrono::steady_clock::now();
};

// A team as Python knows it, an object with rank, size, exact, allreduce(numbers) and allgather(bytes, counts), which
// work on the engine's own memory. Keeps what they raise.
class PythonTeam {
 public:
  explicit PythonTeam(const py::object& object) : object_(object) {
    team_.rank = object.attr("rank").cast<std::int64_t>();
    team_.size = object.attr("size").cast<std::int64_t>();
    if (team_.size < 1) refuse(kOp, "a team of at least one process", std::to_string(team_.size));
    if (team_.rank < 0 || team_.rank >= team_.size) {
      refuse(kOp, "a rank in 0.." + std::to_string(team_.size - 1), std::to_string(team_.rank));
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

class PyEngine {
 public:
  PyEngine(const Plan& plan, std::int64_t threads) : engine_(plan, kernels(), static_cast<int>(threads)) {
    if (threads < 0 || threads > 1024) refuse(kOp, "threads in 0..1024", std::to_string(threads));
  }

  int threads() const { return engine_.threads(); }

  py::array forward(const py::array& parameters, const py::array& images) {
    const float* p = read_parameters(parameters);
    const Images set = read_images(images);
    std::vector<std::int64_t> shape{set.count};
    const Shape& out = engine_.plan().output();
    shape.push_back(out.image.channels);
    if (!out.flat) shape.insert(shape.end(), {out.image.height, out.image.width});
    py::array_t<float> y = make(shape);
    float* yp = y.mutable_data();
    run([&](const Watch& watch) { return engine_.forward(p, set, yp, watch); });
    return y;
  }

  py::tuple evaluate(const py::array& parameters, const py::array& images, const py::array& labels,
                     const py::dict& loss) {
    const float* p = read_parameters(parameters);
    const Images set = read_images(images);
    const CrossEntropyLoss l = read_loss(loss);
    const std::int64_t* y = read_labels(labels, set, l);
    Totals totals;
    run([&](const Watch& watch) { return engine_.evaluate(p, set, y, l, totals, watch); });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  py::tuple loss_and_gradients(const py::array& parameters, const py::array& images, const py::array& labels,
                               const py::dict& loss, py::array gradients) {
    const float* p = read_parameters(parameters);
    const Images set = read_images(images);
    const CrossEntropyLoss l = read_loss(loss);
    const std::int64_t* y = read_labels(labels, set, l);
    if (set.count == 0 && l.reduction == Reduction::Mean)
      refuse("cross_entropy", "at least one image for the mean", "0");
    float* g = write(kOp, "gradients", gradients);
    check_shape(kOp, "gradients", gradients, {engine_.plan().parameters});
    Totals totals;
    run([&](const Watch& watch) { return engine_.gradients(p, set, y, l, g, totals, watch); });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  void train(py::array parameters, py::array state, const py::array& images, const py::array& labels,
             const py::array& order, std::int64_t batch_size, const py::array& learning_rates,
             const py::dict& optimizer, const py::dict& loss, py::array totals, const py::object& progress,
             const py::object& team) {
    read_parameters(parameters);
    float* p = write(kOp, "parameters", parameters);
    Training training{};
    training.images = read_images(images);
    training.loss = read_loss(loss);
    training.labels = read_labels(labels, training.images, training.loss);
    training.order = read<std::int64_t>(kOp, "order", order, {"n"});
    training.count = order.shape(0);
    check_order(training);
    if (batch_size < 1) refuse(kOp, "batch_size of at least 1", std::to_string(batch_size));
    training.batch_size = std::min(batch_size, std::max<std::int64_t>(1, training.count));
    training.learning_rates = read<double>(kOp, "learning_rates", learning_rates, {"steps"});
    check_shape(kOp, "learning_rates", learning_rates, {ceil_div(training.count, training.batch_size)},
                ", one for each step");
    training.optimizer = optimizer_of(optimizer);
    float* s = write(kOp, "state", state);
    check_shape(kOp, "state", state, {training.optimizer.state_arrays(), engine_.plan().parameters},
                " for this optimizer");
    double* sums = write<double>(kOp, "totals", totals);
    check_shape(kOp, "totals", totals, {4});
    Totals live{sums[0], sums[1], sums[2], sums[3]};
    const auto publish = [&] {
      sums[0] = live.steps;
      sums[1] = live.images;
      sums[2] = live.loss_sum;
      sums[3] = live.correct;
    };
    std::optional<PythonTeam> others;
    if (!team.is_none()) training.team = &others.emplace(team).team();
    PythonWatch watch(progress);
    {
      const Released released;
      const std::lock_guard<std::mutex> lock(mutex_);
      engine_.train(p, s, training, live, watch.watch(publish));
    }
    publish();
    watch.rethrow();
    if (others) others->rethrow();
  }

 private:
  template <class F>
  void run(F&& f) {
    PythonWatch watch;
    {
      const Released released;
      const std::lock_guard<std::mutex> lock(mutex_);
      f(watch.watch());
    }
    watch.rethrow();
  }

  const float* read_parameters(const py::array& parameters) const {
    const float* data = read(kOp, "parameters", parameters);
    check_shape(kOp, "parameters", parameters, {engine_.plan().parameters});
    return data;
  }

  Images read_images(const py::array& images) const {
    const bool bytes = is_plain<std::uint8_t>(images);
    if (!bytes) check_type<float>(kOp, "images", images);
    const Shape& in = engine_.plan().input();
    std::vector<std::int64_t> shape{images.ndim() ? images.shape(0) : 0, in.image.channels};
    if (!in.flat) shape.insert(shape.end(), {in.image.height, in.image.width});
    check_shape(kOp, "images", images, shape);
    return {images.data(), bytes, shape[0], in.image.size()};
  }

  CrossEntropyLoss read_loss(const py::dict& loss) {
    const Shape& out = engine_.plan().output();
    if (out.image.plane() != 1) {
      refuse("cross_entropy", "a network output of shape (classes,)", out.text());
    }
    const auto kind = loss["kind"].cast<std::string>();
    if (kind != "cross_entropy") refuse(kOp, "loss 'cross_entropy'", "'" + kind + "'");
    const auto reduction = loss["reduction"].cast<std::string>();
    if (reduction == "none") refuse("cross_entropy", "reduction 'mean' or 'sum' for training", "'none'");
    return loss_of(out.image.channels, loss["weight"].cast<std::optional<py::array>>(),
                   loss["ignore_index"].cast<std::int64_t>(), reduction, loss["label_smoothing"].cast<double>());
  }

  static const std::int64_t* read_labels(const py::array& labels, const Images& images, const CrossEntropyLoss& loss) {
    const std::int64_t* data = read<std::int64_t>(kOp, "labels", labels);
    check_shape(kOp, "labels", labels, {images.count}, ", one for each image");
    check_labels(loss, data, images.count);
    return data;
  }

  static void check_order(const Training& t) {
    for (std::int64_t n = 0; n < t.count; ++n) {
      if (t.order[n] >= 0 && t.order[n] < t.images.count) continue;
      refuse(kOp, "an order of indices in 0.." + std::to_string(t.images.count - 1),
             std::to_string(t.order[n]) + " at position " + std::to_string(n));
    }
  }

  Engine engine_;
  std::mutex mutex_;  // one run at a time; a second thread waits for it
};

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<Plan>(m, "Plan")
      .def(py::init([](const py::list& layers, const py::tuple& input) { return make_plan(spec_of(layers, input)); }),
           py::arg("layers"), py::arg("input_shape"))
      .def_property_readonly("input_shape", [](const Plan& p) { return shape_tuple(p.input()); })
      .def_property_readonly("output_shape", [](const Plan& p) { return shape_tuple(p.output()); })
      .def_property_readonly("parameter_count", [](const Plan& p) { return p.parameters; })
      .def_property_readonly("layers", &stage_list)
      .def("__str__", [](const Plan& p) { return describe(p, kernels()); });
  py::class_<PyEngine>(m, "Engine")
      .def(py::init<const Plan&, std::int64_t>(), py::arg("plan"), py::arg("threads"))
      .def_property_readonly("threads", &PyEngine::threads)
      .def("forward", &PyEngine::forward, py::arg("parameters"), py::arg("images"))
      .def("evaluate", &PyEngine::evaluate, py::arg("parameters"), py::arg("images"), py::arg("labels"),
           py::arg("loss"))
      .def("loss_and_gradients", &PyEngine::loss_and_gradients, py::arg("parameters"), py::arg("images"),
           py::arg("labels"), py::arg("loss"), py::arg("gradients"))
      .def("train", &PyEngine::train, py::arg("parameters"), py::arg("state"), py::arg("images"), py::arg("labels"),
           py::arg("order"), py::arg("batch_size"), py::arg("learning_rates"), py::arg("optimizer"), py::arg("loss"),
           py::arg("totals"), py::arg("progress").none(true), py::arg("team").none(true) = py::none());
}

}  // namespace convlet::bindings
