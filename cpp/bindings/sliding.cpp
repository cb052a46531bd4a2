// Nets that slide over a picture.
#include "engine/sliding.h"

#include <pybind11/stl.h>

#include <array>
#include <optional>

#include "bindings/bindings.h"
#include "bindings/layers.h"
#include "bindings/run.h"
#include "isa/dispatch.h"

namespace convlet::bindings {
namespace {

constexpr const char* kOp = "slide";

// Lines as (extra, cells, taps): a list of integers for each line, and (line, tap, line of the input, shift) for each
// tap of a kernel that slides over the input.
Lines lines_of(const py::handle& given, const Lines& input, std::int64_t kernel) {
  const auto parts = given.cast<py::tuple>();
  const auto extra = parts[0].cast<std::vector<std::int64_t>>();
  const auto cells = parts[1].cast<std::vector<std::int64_t>>();
  const auto taps = parts[2].cast<std::vector<std::array<std::int32_t, 4>>>();
  if (extra.empty() || extra.size() != cells.size()) refuse(kOp, "cells for each line", std::to_string(cells.size()));
  Lines lines(extra.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].extra = extra[i];
    lines[i].cells = cells[i];
  }
  for (const auto& [line, tap, source, shift] : taps) {
    const auto own = static_cast<std::size_t>(line), read = static_cast<std::size_t>(source);
    const bool inside = line >= 0 && own < lines.size() && tap >= 0 && tap < kernel && source >= 0 &&
                        read < input.size() && shift >= 0 && shift + extra[own] <= input[read].extra;
    if (!inside) {
      refuse(kOp, "taps on the input's lines",
             "number " + std::to_string(shift) + " of line " + std::to_string(source) + " for tap " +
                 std::to_string(tap) + " of line " + std::to_string(line));
    }
    lines[own].taps.push_back({tap, source, shift});
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
  layer.kernel = pair_of(d["kernel"].cast<Two>());
  layer.rows = lines_of(d["rows"], rows, layer.kernel.height);
  layer.columns = lines_of(d["columns"], columns, layer.kernel.width);
  if (layer.kind == LayerKind::Conv2d) {
    layer.channels = d["channels"].cast<std::int64_t>();
    layer.groups = d["groups"].cast<std::int64_t>();
    if (layer.groups < 1 || channels % layer.groups || layer.channels % layer.groups) {
      refuse(kOp, "groups of equal size", std::to_string(layer.groups));
    }
    layer.weight =
        numbers(d, "weight", {layer.channels, channels / layer.groups, layer.kernel.height, layer.kernel.width});
    layer.bias = numbers(d, "bias", {layer.channels});
    return layer;
  }
  for (const Lines* lines : {&layer.rows, &layer.columns}) {
    for (const Line& line : *lines) {
      if (line.taps.empty()) refuse(kOp, "a tap for each line of a pooling", "none");
    }
  }
  if (layer.kind == LayerKind::AvgPool2d) layer.divisor = d["divisor"].cast<std::int64_t>();
  return layer;
}

SlidingNet net_of(const py::dict& input, const py::list& layers, std::int64_t channels) {
  SlidingNet net;
  net.channels = channels;
  net.rows = lines_of(input["rows"], {}, 0);
  net.columns = lines_of(input["columns"], {}, 0);
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
  std::optional<Sliding> sliding;
  {
    const Released released;
    sliding.emplace(net, kernels(), windows.first, windows.second);
  }
  py::array_t<float> scores = make({sliding->outputs(), windows.first, windows.second});
  const Picture picture{image.data(), bytes, size, origin.first, origin.second};
  float* data = scores.mutable_data();
  PythonWatch watch;
  {
    const Released released;
    sliding->run(picture, data, watch.watch());
  }
  watch.rethrow();
  return scores;
}

}  // namespace

void bind_sliding(py::module_& m) {
  m.def("slide", &slide, py::arg("input"), py::arg("layers"), py::arg("image"), py::arg("origin"), py::arg("windows"));
}

}  // namespace convlet::bindings
