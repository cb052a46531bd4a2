// Every op over a batch on the device: the shapes and the meaning of ops/ops.h, with pointers to device memory.
//
// The calls queue work on a stream and return. Forward passes compute every output as the CPU does, in one chain of
// fused multiply-adds in the same order, so that their bits are the same. Sums over images and positions are split at
// places that depend on the shapes alone and added in order: the same bits from run to run, on every GPU.
#pragma once

#include <cstdint>

#include "convlet/conv2d.h"
#include "convlet/cross_entropy.h"
#include "convlet/dropout.h"
#include "convlet/linear.h"
#include "convlet/modes.h"
#include "convlet/optimizer.h"
#include "convlet/pool2d.h"
#include "cuda/device.h"

namespace convlet::cuda {

// `after`: an activation of the output, computed on the way out.
void conv2d(Stream, const Conv2d& op, std::int64_t images, const float* x, const float* w, const float* bias,
            Activation after, float* y);
void conv2d_backward_input(Stream, const Conv2d& op, std::int64_t images, const float* dy, const float* w, float* dx);
// Floats of scratch memory that the weight gradient of so many images needs.
std::int64_t conv2d_scratch(const Conv2d& op, std::int64_t images);
// db may be null.
void conv2d_backward_weight(Stream, const Conv2d& op, std::int64_t images, const float* dy, const float* x,
                            float* scratch, float* dw, float* db);

void linear(Stream, const Linear& op, std::int64_t images, const float* x, const float* w, const float* bias,
            Activation after, float* y);
void linear_backward_input(Stream, const Linear& op, std::int64_t images, const float* dy, const float* w, float* dx);
std::int64_t linear_scratch(const Linear& op, std::int64_t images);
void linear_backward_weight(Stream, const Linear& op, std::int64_t images, const float* dy, const float* x,
                            float* scratch, float* dw, float* db);

// winners: the flat index of each maximum in its input plane (PyTorch's return_indices); may be null.
void max_pool2d(Stream, const Pool2d& op, std::int64_t images, const float* x, float* y, std::int64_t* winners);
void max_pool2d_backward(Stream, const Pool2d& op, std::int64_t images, const float* dy, const std::int64_t* winners,
                         float* dx);
void avg_pool2d(Stream, const Pool2d& op, std::int64_t images, const float* x, float* y);
void avg_pool2d_backward(Stream, const Pool2d& op, std::int64_t images, const float* dy, float* dx);

// y may be x, and dx may be dy.
void activation(Stream, Activation kind, const float* x, std::int64_t count, float* y);
void activation_backward(Stream, Activation kind, const float* dy, const float* y, std::int64_t count, float* dx);

// y may be x. mean and std lie on the host.
void dropout(Stream, const Dropout& op, Draw draw, std::int64_t images, std::int64_t size, const float* x, float* y);
void normalize(Stream, std::int64_t images, std::int64_t channels, std::int64_t plane, const float* mean,
               const float* std, const float* x, float* y);

// Over the last axis of (outer, classes, inner), in its middle: inner is 1 for plain rows.
struct Classes {
  std::int64_t outer = 1, classes = 1, inner = 1;
};
void softmax(Stream, const Classes& shape, const float* x, float* y);
void log_softmax(Stream, const Classes& shape, const float* x, float* y);
void softmax_backward(Stream, const Classes& shape, const float* dy, const float* y, float* dx);
void log_softmax_backward(Stream, const Classes& shape, const float* dy, const float* y, float* dx);

// What a mean divides by: the weights of the targets, or what somebody else has found, because the batch has more.
enum class Divisor { OfTargets, Given };

// A batch of logits (outer, classes, inner) with targets (outer, inner). loss.weight lies on the device.
struct LossBuffers {
  float* losses = nullptr;    // (outer, inner); always needed
  float* dlogits = nullptr;   // or null
  double* divisor = nullptr;  // 1: what a mean divides by; 1 for a sum
  double* sums = nullptr;     // 2: the sum of the losses, and how many targets were the largest logit
  Divisor divide = Divisor::OfTargets;
};
// Losses, their sum, the number of right answers and, if asked for, the gradient of the loss (of the sum where the
// reduction is None). A target that is neither a class nor ignored is checked before, on the host or by
// count_bad_targets.
void cross_entropy(Stream, const CrossEntropyLoss& loss, const Classes& shape, const float* logits,
                   const std::int64_t* targets, const LossBuffers& buffers);
// bad (1): the position of the first target that is neither a class nor ignored, or -1.
void find_bad_target(Stream, const CrossEntropyLoss& loss, std::int64_t count, const std::int64_t* targets,
                     std::int64_t* bad);

// x = pixels / 255, the bits of the CPU.
void scale_bytes(Stream, const std::uint8_t* pixels, std::int64_t count, float* x);

// One update of parameters by torch.optim's formulas; `rates` lies on the device and belongs to this step.
struct StepRates {            // of one step, made by rates_of on the host
  float lr = 0;               // SGD: lr; Adam: lr / (1 - beta1^t)
  float correction_root = 1;  // Adam: sqrt(1 - beta2^t)
  float keep = 1;             // AdamW: 1 - lr weight_decay
  float fresh = 0;            // 1 at the first step of all, where SGD's momentum buffer is set to the gradient
};
StepRates rates_of(const Optimizer& optimizer, double lr, std::int64_t done);
void update(Stream, const Optimizer& optimizer, const StepRates* rates, const float* gradients, std::int64_t count,
            float* parameters, float* first, float* second);

}  // namespace convlet::cuda
