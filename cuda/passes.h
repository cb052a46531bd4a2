// The passes of a network over one batch on the device. What they queue can be recorded into a graph: they allocate
// nothing but in `reserve`, and wait for nothing.
#pragma once

#include <cstdint>
#include <memory>

#include "convlet/plan.h"
#include "cuda/batch.h"
#include "cuda/device.h"
#include "cuda/ops.h"

namespace convlet::cuda {

enum class Use { Inference, Training };

// The loss of a batch and what it leaves behind; its class weights lie on the device.
struct BatchLoss {
  CrossEntropyLoss loss;
  float* losses = nullptr;          // by image
  std::int64_t* targets = nullptr;  // by image
  double* divisor = nullptr;        // 1
  double* sums = nullptr;           // 2: losses, right answers
  Divisor divide = Divisor::OfTargets;
};

class Passes {
 public:
  virtual ~Passes() = default;

  virtual const char* name() const = 0;
  // Memory for batches of up to so many images.
  virtual void reserve(std::int64_t batch, Use use) = 0;
  // outputs (count, output size)
  virtual void infer(Stream, const Source& source, std::int64_t count, const float* parameters, float* outputs) = 0;
  // gradients (parameters) of the loss, all of them written.
  virtual void gradients(Stream, const Source& source, std::int64_t count, const float* parameters,
                         const BatchLoss& loss, float* gradients) = 0;
};

// Layer by layer, for every network.
std::unique_ptr<Passes> layer_passes(const Plan& plan);
// In a few fused kernels, or null if the network is not of the LeNet family (cuda/lenet.h).
std::unique_ptr<Passes> lenet_passes(const Plan& plan, std::int64_t shared_bytes);

}  // namespace convlet::cuda
