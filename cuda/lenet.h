// The LeNet family as a few fused kernels: two rounds of convolution, activation and pooling by 2 x 2, then dense
// layers.
//
// A block of the feature kernels carries one image through both rounds, forward or backward, in shared memory. The
// first dense layer, which holds most of the weights, is a matrix product over the whole batch; the dense layers after
// it (the tail), the loss and their gradients are one kernel with their weights in shared memory. So a training step is
// a graph of some ten kernels, five of them one after the other:
//
//   features -> first dense layer -> tail, loss, and back -> dx of the first dense layer -> features backward -> update
//
// What is described here is plain data, made and tested on the host; layouts give the places in shared memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "convlet/plan.h"

namespace convlet::cuda::lenet {

enum class Pooling { Average, Maximum };

// Convolution with a square kernel and stride 1, activation, pooling by 2 x 2. Only what the pooling reads is computed:
// rows and columns 0 .. 2 height - 1 and 2 width - 1 of the convolution.
struct Round {
  int channels_in, height_in, width_in;
  int top, left;                // padding; at the bottom and right as much as is read
  int channels, height, width;  // after the pooling
  Activation activation;
  Pooling pooling;
  std::int64_t weight, bias;  // offsets in the parameters

  constexpr int conv_rows() const { return 2 * height; }
  constexpr int conv_columns() const { return 2 * width; }
  constexpr int positions() const { return height * width; }
  constexpr int conv_positions() const { return conv_rows() * conv_columns(); }
};

// Padded planes in shared memory have rows of odd length, so that the banks of a column differ.
constexpr int odd(int n) { return n | 1; }
constexpr int round_to(int n, int step) { return (n + step - 1) / step * step; }

constexpr int kThreads = 256;       // of every kernel of the family
constexpr int kMostBlocks = 512;    // of the backward pass over features: each leaves partial sums in a slot
constexpr int kMostTail = 3;        // dense layers after the first
constexpr int kImagesOfTail = 4;    // that a block of the tail carries
constexpr int kMostClasses = 1024;  // of the tail's last layer

// What one thread computes at a time. Forward: windows of the pooling side by side, and channels.
constexpr int kFirstWindows = 2, kFirstChannels = 2;
constexpr int kSecondWindows = 1, kSecondChannels = 4;
// Gradient between the rounds: neighbours in a row, and channels.
constexpr int kStrip = 7, kStripChannels = 2;
// Weight gradients: columns of a row at a time, and output channels.
constexpr int kRun = 5, kFirstOutputs = 2, kSecondOutputs = 4;

struct Features {
  int kernel;  // 3 or 5
  Round first, second;

  constexpr int taps() const { return kernel * kernel; }
  constexpr std::int64_t weights(const Round& r) const { return std::int64_t{r.channels} * r.channels_in * taps(); }
  // Partial sums of a slot: weights and biases of both rounds.
  constexpr std::int64_t slot() const { return weights(first) + first.channels + weights(second) + second.channels; }
  constexpr std::int64_t output() const { return std::int64_t{second.channels} * second.positions(); }
};

// A padded image or feature map in shared memory, in floats: from `at` on, channel after channel.
struct Planes {
  int at, channels, rows, row, plane;  // row, plane: floats from one to the next
  constexpr int size() const { return channels * plane; }
};

// Places in the shared memory of the forward kernel, in floats.
struct ForwardLayout {
  int second_weights, first_weights;  // (C, K, K, O rounded up to what a thread computes)
  Planes image, middle;               // the inputs of both convolutions
  int size;
};

// Of the backward kernel. Regions serve twice: the slope of the second convolution makes room for that of the first,
// and the parts of the gradient between the rounds for the image and the partial sums of the first weight gradient.
struct BackwardLayout {
  int weights;          // of the second convolution, (O, K, K, C rounded up to kStripChannels)
  Planes second_slope;  // dy of the second convolution, columns of zeros on both sides
  Planes first_slope;   // dy of the first
  Planes middle;        // the input of the second convolution
  int between, parts;   // gradient of the middle: sums over `parts` ranges of output channels, each (C, H, W)
  Planes image;
  int partial, groups;  // of the first weight gradient: sums over `groups` ranges of rows, each (O, C, K, K)
  int sums;             // the slot
  int size;
};

ForwardLayout forward_layout(const Features& f);
BackwardLayout backward_layout(const Features& f);

struct Dense {
  int inputs, outputs;
  Activation activation;
  std::int64_t weight, bias;  // offsets in the parameters; bias -1: none
};

// The dense layers after the first, in shared memory: weights with rows of odd length, then for each image every
// layer's input and, last, the logits, each beside its gradient.
struct Tail {
  int layers;
  Dense dense[kMostTail];

  constexpr int values() const {  // of an image: the inputs of all layers and the logits
    int values = dense[layers - 1].outputs;
    for (int i = 0; i < layers; ++i) values += dense[i].inputs;
    return values;
  }
  constexpr int weights() const {
    int floats = 0;
    for (int i = 0; i < layers; ++i) floats += dense[i].outputs * odd(dense[i].inputs);
    return floats;
  }
  constexpr int shared_floats() const { return weights() + 2 * kImagesOfTail * values(); }
};

struct Network {
  Features features;
  Dense first;  // the first dense layer; it always has an activation and at least one layer after it
  Tail tail;
};

// The network of a plan, if it is one of the family and its blocks fit into so much shared memory.
std::optional<Network> match(const Plan& plan, std::int64_t shared_bytes);

}  // namespace convlet::cuda::lenet
