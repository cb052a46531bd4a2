// A network as its user wrote it: a chain of layers and the shape of one image.
#pragma once

#include <string>
#include <vector>

#include "convlet/conv2d.h"
#include "convlet/linear.h"
#include "convlet/modes.h"
#include "convlet/pool2d.h"

namespace convlet {

enum class LayerKind {
  Conv2d,
  MaxPool2d,
  AvgPool2d,
  Linear,
  Flatten,
  Identity,
  Normalize,
  Dropout,
  Relu,
  Sigmoid,
  Tanh,
  Softmax,
  LogSoftmax
};

const char* name_of(LayerKind kind);
Activation activation_of(LayerKind kind);  // None where the layer is another
bool is_alias(LayerKind kind);             // its output is its input

struct Layer {
  LayerKind kind = LayerKind::Flatten;
  Conv2d conv{};             // its input shape is filled in by the plan,
  Pool2d pool{};             // and so is this one's,
  bool whole_image = false;  // with its window, where that is the image
  Linear linear{};
  bool bias = false;
  double dropout = 0.0;                // the share that is dropped
  std::vector<float> mean, std;        // of each channel: (x - mean) / std
  std::int64_t expected_channels = 0;  // of a convolution
};

struct Shape {  // (C, H, W), or (C,) when flat
  Image image;
  bool flat = false;
  std::string text() const;
};

struct Spec {
  std::vector<Layer> layers;
  Shape input;
};

}  // namespace convlet
