// Plan and Engine.
#include "engine/engine.h"

#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/constructor.h"
#include "bindings/layers.h"
#include "bindings/run.h"
#include "bindings/team.h"
#include "engine/describe.h"
#include "isa/dispatch.h"
#include "threads/pool.h"

namespace convlet::bindings {
namespace {

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

class PyEngine {
 public:
  PyEngine(const Plan& plan, std::int64_t threads, const MatrixKernels* matrix)
      : engine_(plan, kernels(), static_cast<int>(threads), matrix), arguments_(engine_.plan()) {
    if (threads < 0 || threads > 1024) refuse(RunArguments::kOp, "threads in 0..1024", std::to_string(threads));
  }

  int threads() const { return engine_.threads(); }

  py::object forward(const py::array& parameters, const py::array& images) {
    const float* p = arguments_.parameters(parameters);
    const Images set = arguments_.images(images);
    const Result<float> y = arguments_.outputs(Place::Host, set.count);
    run([&](const Watch& watch) { return engine_.forward(p, set, y.data(), watch); });
    return y.object();
  }

  py::tuple evaluate(const py::array& parameters, const py::array& images, const py::array& labels,
                     const py::dict& loss) {
    const float* p = arguments_.parameters(parameters);
    const Images set = arguments_.images(images);
    const CrossEntropyLoss l = arguments_.loss(loss);
    const std::int64_t* y = arguments_.labels(labels, set.count, l);
    Totals totals;
    run([&](const Watch& watch) { return engine_.evaluate(p, set, y, l, totals, watch); });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  py::tuple loss_and_gradients(const py::array& parameters, const py::array& images, const py::array& labels,
                               const py::dict& loss, py::array gradients, std::uint64_t seed, std::int64_t step) {
    const float* p = arguments_.parameters(parameters);
    const Images set = arguments_.images(images);
    const CrossEntropyLoss l = arguments_.loss(loss);
    const std::int64_t* y = arguments_.labels(labels, set.count, l);
    RunArguments::check_mean(l, set.count);
    float* g = write(RunArguments::kOp, "gradients", gradients);
    check_shape(RunArguments::kOp, "gradients", gradients, {engine_.plan().parameters});
    Totals totals;
    run([&](const Watch& watch) { return engine_.gradients(p, set, y, l, {seed, step}, g, totals, watch); });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  void train(py::array parameters, py::array state, const py::array& images, const py::array& labels,
             const py::array& order, std::int64_t batch_size, const py::array& learning_rates,
             const py::dict& optimizer, const py::dict& loss, py::array totals, const py::object& progress,
             std::uint64_t seed, const py::object& augment, const py::object& team) {
    arguments_.parameters(parameters);
    float* p = write(RunArguments::kOp, "parameters", parameters);
    Training training{};
    training.images = arguments_.images(images);
    training.loss = arguments_.loss(loss);
    training.labels = arguments_.labels(labels, training.images.count, training.loss);
    training.order = arguments_.order(order, training.images.count);
    training.count = order.shape(0);
    training.batch_size = RunArguments::batch_size(batch_size, training.count);
    training.learning_rates = RunArguments::learning_rates(learning_rates, training.count, training.batch_size);
    training.optimizer = optimizer_of(optimizer);
    training.seed = seed;
    const std::optional<Augment> augmentation = augment_of(augment, engine_.plan());
    if (augmentation) training.augment = &*augmentation;
    float* s = write(RunArguments::kOp, "state", state);
    check_shape(RunArguments::kOp, "state", state, {training.optimizer.state_arrays(), engine_.plan().parameters},
                " for this optimizer");
    LiveTotals live(totals);
    std::optional<PythonTeam> others;
    if (!team.is_none()) training.team = &others.emplace(team).team();
    PythonWatch watch(progress);
    try {
      const Released released;
      const std::lock_guard<std::mutex> lock(mutex_);
      engine_.train(p, s, training, live.values, watch.watch([&] { live.publish(); }));
    } catch (...) {
      if (others) others->lose();
      throw;
    }
    live.publish();
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

  Engine engine_;
  RunArguments arguments_;
  std::mutex mutex_;  // one run at a time; a second thread waits for it
};

std::unique_ptr<Plan> planned(const py::list& layers, const py::tuple& input) {
  return std::make_unique<Plan>(make_plan(spec_of(layers, input)));
}

std::unique_ptr<PyEngine> engine_for(const Plan& plan, std::int64_t threads, const std::string& precision) {
  const MatrixKernels* matrix = nullptr;
  if (precision == "bf16") {
    matrix = matrix_kernels();
    if (!matrix) refuse("precision", "'float32', since bf16 needs a CPU with AMX, on Linux", "'bf16' on this one");
  } else if (precision != "float32") {
    refuse("precision", "'float32' or 'bf16'", "'" + precision + "'");
  }
  return std::make_unique<PyEngine>(plan, threads, matrix);
}

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<Plan> plan(m, "Plan");
  def_constructor(plan, &planned, py::arg("layers"), py::arg("input_shape"));
  plan.def_property_readonly("input_shape", [](const Plan& p) { return shape_tuple(p.input()); })
      .def_property_readonly("output_shape", [](const Plan& p) { return shape_tuple(p.output()); })
      .def_property_readonly("parameter_count", [](const Plan& p) { return p.parameters; })
      .def_property_readonly("layers", &stage_list)
      .def("__str__", [](const Plan& p) { return describe(p, kernels()); });
  py::class_<PyEngine> engine(m, "Engine");
  def_constructor(engine, &engine_for, py::arg("plan"), py::arg("threads"), py::arg("precision") = "float32");
  engine.def_property_readonly("threads", &PyEngine::threads)
      .def("forward", &PyEngine::forward, py::arg("parameters"), py::arg("images"))
      .def("evaluate", &PyEngine::evaluate, py::arg("parameters"), py::arg("images"), py::arg("labels"),
           py::arg("loss"))
      .def("loss_and_gradients", &PyEngine::loss_and_gradients, py::arg("parameters"), py::arg("images"),
           py::arg("labels"), py::arg("loss"), py::arg("gradients"), py::arg("seed") = 0, py::arg("step") = 0)
      .def("train", &PyEngine::train, py::arg("parameters"), py::arg("state"), py::arg("images"), py::arg("labels"),
           py::arg("order"), py::arg("batch_size"), py::arg("learning_rates"), py::arg("optimizer"), py::arg("loss"),
           py::arg("totals"), py::arg("progress").none(true), py::arg("seed") = 0, py::arg("augment") = py::none(),
           py::arg("team").none(true) = py::none());
}

}  // namespace convlet::bindings
