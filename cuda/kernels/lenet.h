// The kernels of the LeNet family, as the host launches them.
#pragma once

#include "cuda/batch.h"
#include "cuda/lenet.h"

namespace convlet::cuda::lenet {

// What the backward pass needs of the forward one, by image: the activations that the poolings have read, and the
// output of the first round. All null for inference.
struct Saved {
  float *first = nullptr, *middle = nullptr, *second = nullptr;
};

// output (count, O H W) of the second round.
void features(Stream, const Source& source, std::int64_t count, const Features& f, const float* parameters,
              const Saved& saved, float* output);

// slots: partial sums of the gradients of both convolutions, `slots_of(count)` of f.slot() values each.
std::int64_t slots_of(std::int64_t count);
void features_backward(Stream, const Source& source, std::int64_t count, const Features& f, const float* parameters,
                       const Saved& saved, const float* d_output, float* slots);

// What the tail leaves by image for the gradients of the weights.
struct TailValues {
  float* inputs[kMostTail] = {};  // of layer 1, 2, ...; that of layer 0 comes from outside
  float* slopes[kMostTail] = {};  // of every layer's output
  float* d_input = nullptr;       // of the first dense layer's output before its activation
  float *losses = nullptr, *hits = nullptr;
};

// input (count, inputs of the first layer), the output of the activation `before`.
void tail(Stream, std::int64_t count, const Tail& t, const float* parameters, const float* input, float* logits);
void tail_with_loss(Stream, const Source& source, std::int64_t count, const Tail& t, Activation before,
                    const float* parameters, const float* input, const CrossEntropyLoss& loss, const double* divisor,
                    const TailValues& values);

}  // namespace convlet::cuda::lenet
