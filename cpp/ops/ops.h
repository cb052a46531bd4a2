// Every op over a batch in NumPy's layout: contiguous float32, images (N, C, H, W), N may be 0.
// Shapes have been checked; a null pointer leaves out an optional operand.
#pragma once

#include <cstdint>

#include "convlet/conv2d.h"
#include "convlet/cross_entropy.h"
#include "convlet/dropout.h"
#include "convlet/linear.h"
#include "convlet/modes.h"
#include "convlet/pool2d.h"

namespace convlet::ops {

void conv2d(const Conv2d& op, std::int64_t images, const float* x, const float* w, const float* bias, float* y);
void conv2d_backward(const Conv2d& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db);

// indices: of the winners in the input plane, row by row (PyTorch's return_indices).
void max_pool2d(const Pool2d& op, std::int64_t images, const float* x, float* y, std::int64_t* indices);
void max_pool2d_backward(const Pool2d& op, std::int64_t images, const float* dy, const float* x, float* dx);
void avg_pool2d(const Pool2d& op, std::int64_t images, const float* x, float* y);
void avg_pool2d_backward(const Pool2d& op, std::int64_t images, const float* dy, float* dx);

void linear(const Linear& op, std::int64_t images, const float* x, const float* w, const float* bias, float* y);
void linear_backward(const Linear& op, std::int64_t images, const float* dy, const float* x, const float* w, float* dx,
                     float* dw, float* db);

void activation(Activation kind, const float* x, std::int64_t count, float* y);
void activation_backward(Activation kind, const float* dy, const float* y, std::int64_t count, float* dx);

// Of images (N, size).
void dropout(const Dropout& op, Draw draw, std::int64_t images, std::int64_t size, const float* x, float* y);
// (x - mean) / std of each channel.
void normalize(std::int64_t images, std::int64_t channels, std::int64_t plane, const float* mean, const float* std,
               const float* x, float* y);

// Over the last axis of (rows, classes).
void softmax(std::int64_t rows, std::int64_t classes, const float* x, float* y);
void log_softmax(std::int64_t rows, std::int64_t classes, const float* x, float* y);
void softmax_backward(std::int64_t rows, std::int64_t classes, const float* dy, const float* y, float* dx);
void log_softmax_backward(std::int64_t rows, std::int64_t classes, const float* dy, const float* y, float* dx);

// losses (rows) for Reduction::None, otherwise one value.
void cross_entropy(const CrossEntropyLoss& loss, std::int64_t rows, const float* logits, const std::int64_t* labels,
                   float* losses);
// Of the sum for Reduction::None.
void cross_entropy_backward(const CrossEntropyLoss& loss, std::int64_t rows, const float* logits,
                            const std::int64_t* labels, float* dlogits);

}  // namespace convlet::ops
