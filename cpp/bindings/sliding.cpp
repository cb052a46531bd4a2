// Nets that slide over a picture.
#include "engine/sliding.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/layers.h"
#include "bindings/run.h"
#include "isa/dispatch.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "slide";

// Lines as (extra, cells, taps): a list of integers for each line, and (line, tap, line of the input, shift) for each
// tap.
Lines lines_of(const py::tuple& given, const Lines* input) {
  const auto extra = given[0].cast<std::vector<std::int64_t>>();
  const auto cells = given[1].cast<std::vector<std::int64_t>>();
  const auto taps = given[2].cast<std::vector<std::array<std::int32_t, 4>>>();
  if (extra.empty() || extra.size() != cells.size()) refuse(kOp, "lines with cells", std::to_string(cells.size()));
  Lines lines(extra.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].extra = extra[i];
    lines[i].cells = cells[i];
  }
  for (const auto& [line, tap, source, shift] : taps) {
    const bool inside =
        line >= 0 && line < static_cast<std::int32_t>(lines.size()) && tap >= 0 && input && source >= 0 &&
        source < static_cast<std::int32_t>(input->size()) && shift >= 0 &&
        shift + extra[static_cast<std::size_t>(line)] <= (*input)[static_cast<std::size_t>(source)].extra;
    if (!inside)
      refuse(kOp, "taps on the input's lines", "line " + std::to_string(source) + " + " + std::to_string(shift));
    lines[static_cast<std::size_t>(line)].taps.push_back({tap, source, shift});
  }
  return lines;
}

const float* numbers(const py::dict& d, const char* name, const std::vector<std::int64_t>& shape) {
  if (d[name].is_none()) return nullptr;
  const auto array = d[name].cast<py::array>();
  const float* data = read(kOp, name, array);
  check_shape(kOp, name, array, shape);
  return data;
}

SlidingLayer sliding_layer_of(const py::dict& d, const Lines& rows, const Lines& columns, std::int64_t channels) {
  SlidingLayer layer;
  layer.kind = kind_of(d["kind"].cast<std::string>());
  layer.channels = channels;
  if (layer.kind == LayerKind::Normalize) {
    layer.mean = d["mean"].cast<std::vector<float>>();
    layer.std = d["std"].cast<std::vector<float>>();
    if (static_cast<std::int64_t>(std::min(layer.mean.size(), layer.std.size())) != channels) {
      refuse(kOp, "a mean for each of " + std::to_string(channels) + " channels", std::to_string(layer.mean.size()));
    }
  }
  if (!d.contains("rows")) return layer;
  layer.rows = lines_of(d["rows"].cast<py::tuple>(), &rows);
  layer.columns = lines_of(d["columns"].cast<py::tuple>(), &columns);
  layer.kernel = pair_of(d["kernel"].cast<Two>());
  if (layer.kind == LayerKind::Conv2d) {
    layer.channels = d["channels"].cast<std::int64_t>();
    layer.groups = d["groups"].cast<std::int64_t>();
    layer.weight =
        numbers(d, "weight", {layer.channels, channels / layer.groups, layer.kernel.height, layer.kernel.width});
    layer.bias = numbers(d, "bias", {layer.channels});
  } else if (layer.kind == LayerKind::AvgPool2d) {
    layer.divisor = d["divisor"].cast<std::int64_t>();
  }
  return layer;
}

SlidingNet net_of(const py::dict& input, const py::list& layers, std::int64_t channels) {
  SlidingNet net;
  net.channels = channels;
  net.rows = lines_of(input["rows"].cast<py::tuple>(), nullptr);
  net.columns = lines_of(input["columns"].cast<py::tuple>(), nullptr);
  net.step = pair_of(input["step"].cast<Two>());
  const Lines *rows = &net.rows, *columns = &net.columns;
  net.layers.reserve(layers.size());  // the lines of each stay where they are
  for (const py::handle layer : layers) {
    net.layers.push_back(sliding_layer_of(layer.cast<py::dict>(), *rows, *columns, channels));
    const SlidingLayer& made = net.layers.back();
    channels = made.channels;
    if (made.rows.empty()) continue;
    rows = &made.rows;
    columns = &made.columns;
  }
  return net;
}

// The scores (K, rows, columns) of windows a step apart, the first of which begins at `origin`.
py::array slide(const py::dict& input, const py::list& layers, const py::array& image, const Two& origin,
                const Two& windows) {
  const bool bytes = Operand(image).is_plain<std::uint8_t>();
  if (!bytes) check_type<float>(kOp, "image", image);
  if (image.ndim() != 3) refuse(kOp, "image of shape (C, H, W)", shape_text(image));
  const Image size{image.shape(0), image.shape(1), image.shape(2)};
  const SlidingNet net = net_of(input, layers, size.channels);
  // The last pixel that a line reads, along one axis.
  const auto reaches = [](const Lines& lines, std::int64_t first, std::int64_t step, std::int64_t count) {
    std::int64_t last = 0;
    for (std::size_t r = 0; r < lines.size(); ++r) {
      last = std::max(last, static_cast<std::int64_t>(r) + step * (count - 1 + lines[r].extra));
    }
    return first + last;
  };
  if (origin.first < 0 || origin.second < 0 || windows.first < 1 || windows.second < 1 ||
      reaches(net.rows, origin.first, net.step.height, windows.first) >= size.height ||
      reaches(net.columns, origin.second, net.step.width, windows.second) >= size.width) {
    refuse(kOp, "windows within the image", shape_text(image));
  }
  const Sliding sliding(net, kernels(), windows.first, windows.second);
  py::array_t<float> scores = make({sliding.outputs(), windows.first, windows.second});
  const Picture picture{image.data(), bytes, size, origin.first, origin.second};
  float* data = scores.mutable_data();
  PythonWatch watch;
  {
    const Released released;
    sliding.run(picture, data, watch.watch());
  }
  watch.rethrow();
  return scores;
}

}  // namespace

void bind_sliding(py::module_& m) {
  m.def("slide", &slide, py::arg("input"), py::arg("layers"), py::arg("image"), py::arg("origin"), py::arg("windows"));
}

}  // namespace convlet::bindings
