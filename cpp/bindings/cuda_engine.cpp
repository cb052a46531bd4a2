// The engine on the GPU, with the calls of the CPU's Engine: images and labels are NumPy's, and stay on the device from
// one call to the next as long as the same arrays come.
#include "cuda/engine.h"

#include <pybind11/stl.h>

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/constructor.h"
#include "bindings/layers.h"
#include "bindings/run.h"
#include "bindings/team.h"
#include "cuda/nccl.h"

namespace convlet::bindings {
namespace {

class PyCudaEngine {
 public:
  PyCudaEngine(const Plan& plan, bool fused)
      : engine_(plan, fused ? cuda::Fusion::Allowed : cuda::Fusion::Off), arguments_(engine_.plan()) {}

  std::string passes() const { return engine_.passes(); }

  // By NCCL; both are called by all processes of a team.
  void connect(const std::string& library, const py::bytes& id, int rank, int size) {
    const auto text = static_cast<std::string>(id);
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    const Released released;
    const std::lock_guard<std::mutex> lock(mutex_);
    engine_.connect(library, bytes, rank, size);
  }
  void disconnect() {
    const Released released;
    const std::lock_guard<std::mutex> lock(mutex_);
    engine_.disconnect();
  }

  // Copies the images and labels of the next call anew.
  void forget() {
    std::list<Resident> dropped;  // freed with the interpreter's lock
    const Released released;
    const std::lock_guard<std::mutex> lock(mutex_);
    dropped.swap(resident_);
  }

  // NumPy's images give NumPy's outputs; images on the device, outputs there, which the device may still work on.
  py::object forward(const py::array& parameters, const Operand& images) {
    const float* p = arguments_.parameters(parameters);
    const Images set = arguments_.images(images);
    const Place place = images.place();
    const Result<float> y = arguments_.outputs(place, set.count);
    run([&](const Watch& watch) {
      if (place == Place::Device) {
        engine_.forward_on_device(p, set, y.data());
      } else {
        engine_.forward(p, set, y.data(), watch);
      }
    });
    return y.object();
  }

  py::tuple evaluate(const py::array& parameters, const py::array& images, const py::array& labels,
                     const py::dict& loss) {
    const float* p = arguments_.parameters(parameters);
    const CrossEntropyLoss l = arguments_.loss(loss);
    Totals totals;
    run_on(images, labels, l,
           [&](const cuda::DataSet& data, const Watch& watch) { engine_.evaluate(p, data, l, totals, watch); });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  py::tuple loss_and_gradients(const py::array& parameters, const py::array& images, const py::array& labels,
                               const py::dict& loss, py::array gradients, std::uint64_t seed, std::int64_t step) {
    const float* p = arguments_.parameters(parameters);
    const CrossEntropyLoss l = arguments_.loss(loss);
    RunArguments::check_mean(l, images.ndim() ? images.shape(0) : 0);
    float* g = write(RunArguments::kOp, "gradients", gradients);
    check_shape(RunArguments::kOp, "gradients", gradients, {engine_.plan().parameters});
    Totals totals;
    run_on(images, labels, l, [&](const cuda::DataSet& data, const Watch& watch) {
      engine_.gradients(p, data, l, {seed, step}, g, totals, watch);
    });
    return py::make_tuple(totals.loss_sum, static_cast<std::int64_t>(totals.correct));
  }

  void train(py::array parameters, py::array state, const py::array& images, const py::array& labels,
             const py::array& order, std::int64_t batch_size, const py::array& learning_rates,
             const py::dict& optimizer, const py::dict& loss, py::array totals, const py::object& progress,
             std::uint64_t seed, const py::object& augment, const py::object& team) {
    arguments_.parameters(parameters);
    float* p = write(RunArguments::kOp, "parameters", parameters);
    cuda::Training training{};
    training.loss = arguments_.loss(loss);
    training.order = arguments_.order(order, images.ndim() ? images.shape(0) : 0);
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
    if (training.team && training.team->combine == Combine::Tiles) {
      refuse(RunArguments::kOp, "a team that adds up sums on a GPU", "an exact one");
    }
    PythonWatch watch(progress);
    try {
      run_on(images, labels, training.loss, watch, [&](const cuda::DataSet& data, const Watch&) {
        engine_.train(p, s, data, training, live.values, watch.watch([&] { live.publish(); }));
      });
    } catch (...) {
      if (others) others->lose();
      throw;
    }
    live.publish();
    watch.rethrow();
    if (others) others->rethrow();
  }

 private:
  struct Resident {
    py::array images, labels;  // kept, so that their addresses stay theirs
    std::unique_ptr<cuda::DataSet> data;
  };
  static constexpr std::size_t kResident = 2;  // a training set and a test set

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

  template <class F>
  void run_on(const py::array& images, const py::array& labels, const CrossEntropyLoss& loss, F&& f) {
    PythonWatch watch;
    run_on(images, labels, loss, watch, f);
    watch.rethrow();
  }

  template <class F>
  void run_on(const py::array& images, const py::array& labels, const CrossEntropyLoss& loss, PythonWatch& watch,
              F&& f) {
    const Images set = arguments_.images(images);
    const std::int64_t* y = arguments_.labels(labels, set.count, loss);
    std::list<Resident> dropped;  // freed with the interpreter's lock, at the end
    {
      const Released released;
      const std::lock_guard<std::mutex> lock(mutex_);
      f(*resident(images, labels, set, y, dropped), watch.watch());
    }
  }

  const cuda::DataSet* resident(const py::array& images, const py::array& labels, const Images& set,
                                const std::int64_t* y, std::list<Resident>& dropped) {
    for (auto at = resident_.begin(); at != resident_.end(); ++at) {
      if (at->images.ptr() != images.ptr() || at->labels.ptr() != labels.ptr()) continue;
      resident_.splice(resident_.begin(), resident_, at);
      return resident_.front().data.get();
    }
    auto data = std::make_unique<cuda::DataSet>(set, y);
    {
      const Acquired acquired;
      resident_.push_front({images, labels, std::move(data)});
      if (resident_.size() > kResident) dropped.splice(dropped.begin(), resident_, std::prev(resident_.end()));
    }
    return resident_.front().data.get();
  }

  cuda::Engine engine_;
  RunArguments arguments_;
  std::list<Resident> resident_;  // the last used first
  std::mutex mutex_;              // one run at a time; a second thread waits for it
};

std::unique_ptr<PyCudaEngine> engine_for(const Plan& plan, bool fused) {
  return std::make_unique<PyCudaEngine>(plan, fused);
}

}  // namespace

void bind_cuda_engine(py::module_& m) {
  py::class_<PyCudaEngine> engine(m, "CudaEngine");
  def_constructor(engine, &engine_for, py::arg("plan"), py::arg("fused") = true);
  engine.def_property_readonly("passes", &PyCudaEngine::passes)
      .def("forget", &PyCudaEngine::forget)
      .def("connect", &PyCudaEngine::connect, py::arg("library"), py::arg("id"), py::arg("rank"), py::arg("size"))
      .def("disconnect", &PyCudaEngine::disconnect)
      .def("forward", &PyCudaEngine::forward, py::arg("parameters"), py::arg("images"))
      .def("evaluate", &PyCudaEngine::evaluate, py::arg("parameters"), py::arg("images"), py::arg("labels"),
           py::arg("loss"))
      .def("loss_and_gradients", &PyCudaEngine::loss_and_gradients, py::arg("parameters"), py::arg("images"),
           py::arg("labels"), py::arg("loss"), py::arg("gradients"), py::arg("seed") = 0, py::arg("step") = 0)
      .def("train", &PyCudaEngine::train, py::arg("parameters"), py::arg("state"), py::arg("images"), py::arg("labels"),
           py::arg("order"), py::arg("batch_size"), py::arg("learning_rates"), py::arg("optimizer"), py::arg("loss"),
           py::arg("totals"), py::arg("progress").none(true), py::arg("seed") = 0, py::arg("augment") = py::none(),
           py::arg("team").none(true) = py::none());
  m.def("nccl_version", &cuda::nccl_version, py::arg("library"));
  m.def(
      "nccl_unique_id",
      [](const std::string& library) {
        const std::vector<std::uint8_t> id = cuda::nccl_unique_id(library);
        return py::bytes(reinterpret_cast<const char*>(id.data()), id.size());
      },
      py::arg("library"));
}

}  // namespace convlet::bindings
