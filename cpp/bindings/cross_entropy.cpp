#include "bindings/bindings.h"
#include "bindings/loss.h"
#include "cuda/ops.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "cross_entropy";

// The arguments of both passes, checked. The host takes logits (N, classes) and target (N); the device takes logits
// (outer, classes, inner) and target (outer, inner), whose labels the caller has checked by find_bad_target.
struct Case {
  Place place;
  CrossEntropyLoss loss;
  cuda::Classes shape;
  const float* logits;
  const std::int64_t* target;

  Case(const Operand& x, const Operand& labels, const std::optional<Operand>& weight, std::int64_t ignore_index,
       const std::string& reduction, double label_smoothing)
      : place(place_of(kOp, {{"logits", &x}, {"labels", &labels}, {"weight", weight ? &*weight : nullptr}})) {
    const bool rows = place == Place::Host;
    logits = rows ? read(kOp, "logits", x, {"N", "classes"}) : read(kOp, "logits", x, {"outer", "classes", "inner"});
    shape = {x.shape(0), x.shape(1), rows ? 1 : x.shape(2)};
    target = read<std::int64_t>(kOp, "target", labels);
    std::vector<std::int64_t> expected{shape.outer};
    if (!rows) expected.push_back(shape.inner);
    check_shape(kOp, "target", labels, expected, ", a class index for each row of logits " + shape_text(x));
    loss = loss_of(shape.classes, weight, ignore_index, reduction, label_smoothing);
    if (rows) check_labels(loss, target, shape.outer);
  }

  std::int64_t rows() const { return shape.outer * shape.inner; }
};

// Divisor, sum and count behind the losses of a batch.
constexpr std::int64_t kFigures = 3;

void run_on_device(const Case& c, float* losses, float* dlogits, double* figures) {
  cuda::LossBuffers buffers;
  buffers.losses = losses;
  buffers.dlogits = dlogits;
  buffers.divisor = figures;
  buffers.sums = figures + 1;
  cuda::cross_entropy(cuda::stream(), c.loss, c.shape, c.logits, c.target, buffers);
}

void loss_on_device(const Case& c, float* result) {
  const DeviceScratch figures(2 * kFigures);
  auto* sums = reinterpret_cast<double*>(figures.data());
  if (c.loss.reduction == Reduction::None) return run_on_device(c, result, nullptr, sums);
  const DeviceScratch losses(c.rows());
  run_on_device(c, losses.data(), nullptr, sums);
  double host[kFigures];
  cuda::download(host, sums, sizeof host);
  const auto value = static_cast<float>(c.loss.reduction == Reduction::Mean ? host[1] / host[0] : host[1]);
  cuda::upload(result, &value, sizeof value);
}

py::object cross_entropy(const Operand& logits, const Operand& target, const std::optional<Operand>& weight,
                         std::int64_t ignore_index, const std::string& reduction, double label_smoothing) {
  const Case c(logits, target, weight, ignore_index, reduction, label_smoothing);
  if (c.rows() == 0 && c.loss.reduction == Reduction::Mean) {
    refuse(kOp, "at least one row for the mean", shape_text(logits));
  }
  const bool each = c.loss.reduction == Reduction::None;
  const Result<> result(c.place, each ? target.sizes() : std::vector<std::int64_t>{});
  {
    const Released released;
    if (c.place == Place::Device) {
      loss_on_device(c, result.data());
    } else {
      ops::cross_entropy(c.loss, c.shape.outer, c.logits, c.target, result.data());
    }
  }
  return result.object();
}

py::object cross_entropy_backward(const Operand& logits, const Operand& target, const std::optional<Operand>& weight,
                                  std::int64_t ignore_index, const std::string& reduction, double label_smoothing) {
  const Case c(logits, target, weight, ignore_index, reduction, label_smoothing);
  const Result<> dlogits(c.place, logits.sizes());
  {
    const Released released;
    if (c.place == Place::Device) {
      const DeviceScratch losses(c.rows()), figures(2 * kFigures);
      run_on_device(c, losses.data(), dlogits.data(), reinterpret_cast<double*>(figures.data()));
    } else {
      ops::cross_entropy_backward(c.loss, c.shape.outer, c.logits, c.target, dlogits.data());
    }
  }
  return dlogits.object();
}

std::int64_t find_bad_target(const DeviceArray& target, std::int64_t classes, std::int64_t ignore_index) {
  cuda::require(kOp);
  const auto* labels = read<std::int64_t>(kOp, "labels", target);
  CrossEntropyLoss loss;
  loss.classes = classes;
  loss.ignore_index = ignore_index;
  std::int64_t bad = -1;
  if (target.size() == 0) return bad;
  const Released released;
  const DeviceScratch found(2);
  cuda::find_bad_target(cuda::stream(), loss, target.size(), labels, reinterpret_cast<std::int64_t*>(found.data()));
  cuda::download(&bad, found.data(), sizeof bad);
  return bad;
}

}  // namespace

void bind_cross_entropy(py::module_& m) {
  m.def("cross_entropy", &cross_entropy, py::arg("logits"), py::arg("target"), py::arg("weight").none(true),
        py::arg("ignore_index"), py::arg("reduction"), py::arg("label_smoothing"));
  m.def("cross_entropy_backward", &cross_entropy_backward, py::arg("logits"), py::arg("target"),
        py::arg("weight").none(true), py::arg("ignore_index"), py::arg("reduction"), py::arg("label_smoothing"));
  // The position of the first label on the device that is neither a class nor ignored, or -1.
  m.def("find_bad_target", &find_bad_target, py::arg("target"), py::arg("classes"), py::arg("ignore_index"));
}

}  // namespace convlet::bindings
