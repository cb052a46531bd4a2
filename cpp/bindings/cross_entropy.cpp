#include "bindings/bindings.h"
#include "bindings/loss.h"
#include "ops/ops.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "cross_entropy";

const std::int64_t* read_target(const py::array& target, const py::array& logits) {
  const std::int64_t* data = read<std::int64_t>(kOp, "target", target);
  check_shape(kOp, "target", target, {logits.shape(0)}, ", a class index for each row of logits " + shape_text(logits));
  return data;
}

py::array cross_entropy(const py::array& logits, const py::array& target, const std::optional<py::array>& weight,
                        std::int64_t ignore_index, const std::string& reduction, double label_smoothing) {
  const float* x = read(kOp, "logits", logits, {"N", "classes"});
  const std::int64_t* labels = read_target(target, logits);
  const std::int64_t rows = logits.shape(0);
  const CrossEntropyLoss loss = loss_of(logits.shape(1), weight, ignore_index, reduction, label_smoothing);
  if (rows == 0 && loss.reduction == Reduction::Mean) refuse(kOp, "at least one row for the mean", shape_text(logits));
  check_labels(loss, labels, rows);
  py::array_t<float> result = loss.reduction == Reduction::None ? make({rows}) : make(std::vector<std::int64_t>{});
  float* losses = result.mutable_data();
  const Released released;
  ops::cross_entropy(loss, rows, x, labels, losses);
  return result;
}

py::array cross_entropy_backward(const py::array& logits, const py::array& target,
                                 const std::optional<py::array>& weight, std::int64_t ignore_index,
                                 const std::string& reduction, double label_smoothing) {
  const float* x = read(kOp, "logits", logits, {"N", "classes"});
  const std::int64_t* labels = read_target(target, logits);
  const std::int64_t rows = logits.shape(0);
  const CrossEntropyLoss loss = loss_of(logits.shape(1), weight, ignore_index, reduction, label_smoothing);
  check_labels(loss, labels, rows);
  py::array_t<float> dlogits = make({rows, logits.shape(1)});
  float* dx = dlogits.mutable_data();
  const Released released;
  ops::cross_entropy_backward(loss, rows, x, labels, dx);
  return dlogits;
}

}  // namespace

void bind_cross_entropy(py::module_& m) {
  m.def("cross_entropy", &cross_entropy, py::arg("logits"), py::arg("target"), py::arg("weight").none(true),
        py::arg("ignore_index"), py::arg("reduction"), py::arg("label_smoothing"));
  m.def("cross_entropy_backward", &cross_entropy_backward, py::arg("logits"), py::arg("target"),
        py::arg("weight").none(true), py::arg("ignore_index"), py::arg("reduction"), py::arg("label_smoothing"));
}

}  // namespace convlet::bindings
